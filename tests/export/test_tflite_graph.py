import numpy as np
import pytest

from densevision.export.tflite_graph import read_graph, take_uint8, write_graph
from densevision.inference.tflite_backend import open_interpreter
from tests.benchmark.tiny_model import tiny_model


def test_uint8_pixels_count_from_128_in_steps_of_1_over_127_5(tmp_path):
    model = read_graph(tiny_model(side=1))  # squares its pixels
    graph = model.subgraphs[0]
    graph.operators, graph.inputs = graph.operators[1:], [1]  # without the CAST: float32 pixels
    take_uint8(model)
    path = tmp_path / "m.tflite"
    path.write_bytes(write_graph(model))
    interpreter = open_interpreter(path)
    (image,), (square,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert image["dtype"] is np.uint8 and image["quantization"] == (pytest.approx(1 / 127.5), 128)
    interpreter.set_tensor(image["index"], np.uint8([0, 128, 255]).reshape(1, 1, 1, 3))
    interpreter.invoke()
    assert interpreter.get_tensor(square["index"]).flatten() == pytest.approx([1.007859, 0, 0.992172], abs=1e-6)
