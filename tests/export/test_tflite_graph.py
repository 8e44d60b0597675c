import numpy as np
import pytest
import torch

from densevision.export.tflite_graph import _part, labeled, read_graph, take_uint8, write_graph
from densevision.inference.tflite_backend import open_interpreter
from tests.benchmark.tiny_model import tiny_model
from tests.export.toy import SIZE, detector


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


def test_modules_are_labeled_by_their_part_and_get_their_classes_back():
    model = detector()
    kinds = [type(module) for module in model.modules()]
    with labeled(model, model.parts()):
        names = {name: type(module).__name__.removeprefix("part").strip("<>") for name, module in model.named_modules()}
        model.forward_head(torch.zeros(1, 3, *SIZE))
    assert (names[""], names["backbone"], names["backbone.stem.0"]) == ("io", "previous", "stem")
    assert (names["backbone.blocks.1.expansion.0"], names["backbone.blocks.1.se.reduce"]) == ("block01", "block01.se")
    assert (names["backbone.last.2"], names["extra.3.1.0"]) == ("last", "extra")
    assert (names["head"], names["head.regress.0.0.0"], names["head.regress.0.1"]) == ("io", "head", "predictors")
    assert kinds == [type(module) for module in model.modules()]


def test_a_fused_operator_belongs_to_the_part_of_its_last_one():
    names = "a.part<io>/a.part<io>_head/a.part<head>_0;1;;a.part<io>/a.part<extra>_extra;2"
    assert _part(names) == "head"
    assert _part("serving_default_output_0_output") == "io"
