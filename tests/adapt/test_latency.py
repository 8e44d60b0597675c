"""The layers whose times are added up, and the table of times."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from densevision.adapt.latency import Latency, LatencyTable, table_path
from densevision.adapt.layers import geometry_of, layers_of
from densevision.adapt.proposals import narrower
from densevision.adapt.timers import LocalTimer
from densevision.export.layer_graph import Layer, layer_file
from densevision.inference.tflite_backend import open_interpreter
from tests.adapt.networks import RASPP, build, detector, segmentor


def convolutions(model, size):
    """Count the convolutions that a model runs: (input channels, output channels, kernel, stride, dilation, size)."""
    found = Counter()

    def note(module, inputs, output):
        one = module.in_channels if module.groups == 1 else 1
        shape = tuple(inputs[0].shape[-2:])
        sides = (module.kernel_size[0], module.stride[0], module.dilation[0])
        found[(one, module.out_channels, *sides, *shape)] += 1

    handles = [each.register_forward_hook(note) for each in model.modules() if isinstance(each, nn.Conv2d)]
    with torch.no_grad():
        model(torch.zeros(1, 3, *size))
    for handle in handles:
        handle.remove()
    return found


def listed(layers):
    found = Counter()
    for layer in layers:
        if layer.kind in ("conv", "depthwise"):
            one = layer.channels if layer.kind == "conv" else 1
            found[(one, layer.out, layer.kernel, layer.stride, layer.dilation, layer.height, layer.width)] += 1
        elif layer.kind == "gate":
            found[(layer.channels, layer.out, 1, 1, 1, 1, 1)] += 1
            found[(layer.out, layer.channels, 1, 1, 1, 1, 1)] += 1
    return found


@pytest.mark.parametrize(
    ("model", "stride"),
    [
        (detector(reduced_tail="detection"), 32),
        (segmentor(reduced_tail="segmentation"), 16),
        (segmentor(head=RASPP), 16),
        (detector("mnasnet_small"), 32),
    ],
)
def test_the_layers_are_the_models_convolutions(model, stride):
    _, built, shape = build(model)
    size = (96, 96) if built.task == "detection" else (104, 88)  # 13 rows at stride 8 are 7 at stride 16
    assert listed(layers_of(shape, geometry_of(built, size, stride))) == convolutions(built, size)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize(
    ("layer", "output"),
    [
        (Layer("conv", 6, 8, 3, 16, 3, 2, act="hswish", padded=True), [1, 3, 4, 16]),
        (Layer("depthwise", 5, 5, 8, 8, 5, 1, 2, act="relu6"), [1, 5, 5, 8]),
        (Layer("gate", 4, 4, 16, 8, act="hsigmoid"), [1, 4, 4, 16]),
        (Layer("gate", 4, 4, 16, 8, act="sigmoid"), [1, 4, 4, 16]),
        (Layer("add", 4, 4, 16), [1, 4, 4, 16]),
        (Layer("mul", 4, 4, 16), [1, 4, 4, 16]),
        (Layer("pool", 9, 9, 8, size=(5, 5, 2, 4)), [1, 3, 2, 8]),
        (Layer("resize", 2, 2, 8, size=(7, 9)), [1, 7, 9, 8]),
    ],
)
def test_a_layer_is_a_file_that_runs(tmp_path, layer, output, int8):
    path = tmp_path / "layer.tflite"
    path.write_bytes(layer_file(layer, int8=int8))
    interpreter = open_interpreter(path)
    interpreter.invoke()
    (found,) = interpreter.get_output_details()
    assert found["shape"].tolist() == output
    assert found["dtype"] == (np.int8 if int8 else np.float32)


def test_a_table_measures_once_and_keeps_what_it_has(tmp_path):
    layers = [Layer("conv", 8, 8, 8, out) for out in (8, 16)]
    table = LatencyTable(LocalTimer(), path=tmp_path / "table.json")
    assert table.add([*layers, *layers]) == 2
    assert table.add(layers) == 0
    again = LatencyTable(LocalTimer(), path=tmp_path / "table.json")
    assert again.times == table.times
    assert again.total([layers[0], layers[0]]) == 2 * table.times[layers[0].key]
    assert min(table.times.values()) > 0


def test_the_prediction_goes_through_the_measured_file(tmp_path):
    _, model, shape = build(detector(width=0.35))
    geometry, path = geometry_of(model, (96, 96), 32), tmp_path / "table.json"
    small = narrower(shape, {"last": 104})
    layers = {layer.key for each in (shape, small) for layer in layers_of(each, geometry)}
    path.write_text(json.dumps(dict.fromkeys(layers, 0.5)))
    latency = Latency(LatencyTable(LocalTimer(), path=path), geometry, shape, 60.0)
    assert latency(shape) == 60
    assert latency(small) == 60  # as many layers, of 0.5 ms each


def test_tables_are_kept_by_threads_precision_and_runtime(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = {table_path(LocalTimer(threads), int8=int8) for threads in (1, 2) for int8 in (False, True)}
    assert len(found) == 4
    assert all(tmp_path in path.parents for path in found)
