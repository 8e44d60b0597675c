"""The search for the ranges and float parts of an int8 file."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from densevision.cli.main import main
from densevision.export.convert import convert
from densevision.export.exporter import ExportOptions, make_exporter
from densevision.export.quantize import Ranges, _widen_ranges, float_parts_of, to_int8
from densevision.export.search import Found, Tried, _attempts, table
from densevision.export.tflite_graph import op_name, read_graph
from densevision.inference.metadata import read_model_info
from tests.export import toy
from tests.export.conftest import converted_once  # noqa: F401
from tests.export.toy_data import write_detector


def attempts(losses, limit, given=()):
    """Search with known losses in points, by ranges or float parts; return the float parts of each attempt."""
    made = []

    def attempt(ranges, parts):
        key = parts if set(parts) - set(given) else (ranges.activations, ranges.weights)
        made.append(Tried(ranges, parts, 0.5, losses.get(key, 1.0) / 100, 10))
        return made[-1]

    assert list(_attempts(attempt, given, ["se", "stem", "head"], limit)) == made
    return made


def test_ranges_alone_are_tried_where_they_suffice():
    made = attempts({("min-max", "octav"): 0.4}, 0.5)
    assert [(one.ranges.activations, one.ranges.weights) for one in made] == [
        (activations, weights)
        for weights in ("min-max", "octav", "mse")
        for activations in ("moving-average", "min-max")
    ]
    found = Found("coco/AP", "val", 0.57, tuple(made))
    assert found.best is made[3]
    assert found.best.choice() == dict(activation_ranges="min-max", weight_ranges="octav", float_parts=())


def test_float_parts_are_added_until_the_loss_is_small_enough():
    losses = {("min-max", "octav"): 0.8, ("stem",): 0.7, ("stem", "head"): 0.3, ("stem", "head", "se"): 0.0}
    made = attempts(losses, 0.5)[6:]
    assert [one.float_parts for one in made] == [("se",), ("stem",), ("head",), ("stem", "se"), ("stem", "head")]
    assert all(one.ranges == Ranges("min-max", "octav") for one in made)


def test_float_parts_that_do_not_help_end_the_search():
    assert [one.float_parts for one in attempts({}, 0.5)[6:]] == [("se",), ("stem",), ("head",)]
    assert [one.float_parts for one in attempts({}, 0.5, given=("se",))[6:]] == [("se", "stem"), ("se", "head")]


def test_equal_losses_keep_the_first_and_gains_are_named():
    made = tuple(Tried(Ranges(), parts, 0.6, -0.001, 1_234_567) for parts in ((), ("se", "stem")))
    assert table(Found("coco/AP", "val", 0.599, made).record()) == [
        "PyTorch: coco/AP 59.90 on the val data",
        "activations     weights  in float                 coco/AP   loss       bytes",
        "moving-average  min-max  -                          60.00  -0.10   1,234,567",
        "moving-average  min-max  se stem                    60.00  -0.10   1,234,567",
        "kept: activations moving-average, weights min-max, nothing in float: gains 0.10 points",
    ]


def scales(content, kind="CONV_2D"):
    """Return the weights' scales of each convolution of an int8 file, and its output's scale."""
    model = read_graph(content)
    graph = model.subgraphs[0]
    found = [op for op in graph.operators if op_name(model, op) == kind]
    return [(graph.tensors[op.inputs[1]].quantization.scale, graph.tensors[op.outputs[0]].quantization) for op in found]


@pytest.mark.slow
def test_the_kinds_of_ranges_differ_as_they_say(converted_once, tmp_path):  # noqa: F811
    from densevision.export.convert import convert
    from densevision.export.exporter import ExportOptions, make_exporter
    from tests.export.toy import detector, random_images

    exporter = make_exporter(detector(), ExportOptions(quantize="int8"))
    content, images = convert(exporter.graph, exporter.size), random_images(3)
    assert float_parts_of(content) == ["se", "stem", "predictors", "head"]
    made = {one: scales(to_int8(content, images, ranges=one)) for one in (Ranges(), Ranges("min-max", "min-max"))}
    narrow, wide = made.values()
    assert all((one[0] == other[0]).all() for one, other in zip(narrow, wide, strict=True))
    ratios = [other[1].scale[0] / one[1].scale[0] for one, other in zip(narrow, wide, strict=True)]
    assert min(ratios) >= 1 - 1e-6 and max(ratios) > 1.001
    for weights in ("octav", "mse"):
        clipped = scales(to_int8(content, images, ranges=Ranges("moving-average", weights)))
        assert len(clipped) == len(narrow)  # the same convolutions are quantized
        assert any((one[0] != other[0]).any() for one, other in zip(narrow, clipped, strict=True))
        if weights == "octav":  # it only clips
            assert all((np.array(o[0]) <= np.array(n[0]) * 1.001).all() for n, o in zip(narrow, clipped, strict=True))


@pytest.mark.slow
def test_the_command_keeps_the_best_and_says_so(converted_once, tmp_path, capsys):  # noqa: F811
    files = [str(file) for file in write_detector(tmp_path)]
    out = tmp_path / "m.tflite"
    words = ["export", *files, "--out", str(out), "--quantize", "int8", "--calibration", "6", "--search"]
    assert main([*words, "--max-drop", "100"]) == 0
    printed = capsys.readouterr()
    record = read_model_info(out).origin["int8_search"]
    lines = table(record)
    assert record["split"] == "test" and len(record["tried"]) == 6
    assert record["kept"] == min(range(6), key=lambda index: record["tried"][index][4])
    assert f"int8 search, 6 files tried: {lines[-1]}\n" in printed.out
    assert all(line in printed.err for line in lines[:-1])
    card = (tmp_path / "MODEL.md").read_text()
    assert f"| int8 search | {lines[0]}<br>activations · weights · in float · coco/AP" in card and lines[-1] in card
    kept = record["tried"][record["kept"]]
    assert f"coco/AP: {100 * kept[3]:.2f} in the file" in printed.out  # the file is the one that was tried
    assert main([*words, "--max-drop", "0"]) == 2
    assert "--max-drop allows 0 points; see docs/export.md" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--max-drop", "100"]])
def test_data_without_objects_are_refused_before_the_first_file(converted_once, tmp_path, capsys, more):  # noqa: F811
    files = [str(file) for file in write_detector(tmp_path)]
    truth = json.loads((tmp_path / "truth.json").read_text())
    (tmp_path / "truth.json").write_text(json.dumps(truth | dict(annotations=[])))
    words = ["export", *files, "--out", str(tmp_path / "m.tflite"), "--quantize", "int8", "--calibration", "6"]
    assert main([*words, "--search", *more]) == 2
    printed = capsys.readouterr().err
    assert "coco/AP can't be measured on the test data (-1)" in printed and "moving-average" not in printed
    assert not (tmp_path / "m.tflite").exists()


def test_a_layer_whose_outputs_are_always_0_gets_a_range_that_xnnpack_runs():
    """A squeeze layer may die in a training; with a scale of 4e-12, XNNPACK ended the process."""
    ranges = {"dead": dict(min=np.zeros((1, 1), np.float32), max=np.full((1, 1), 1e-9, np.float32))}
    ranges |= {"alive": dict(min=np.full((1, 1), -1, np.float32), max=np.full((1, 1), 2, np.float32)), "none": {}}
    _widen_ranges(ranges)
    assert (ranges["dead"]["min"].item(), ranges["dead"]["max"].item()) == (0.0, pytest.approx(1e-3))
    assert (ranges["alive"]["min"].item(), ranges["alive"]["max"].item()) == (-1.0, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["blocks.0.expansion.1", "se.reduce"])
def test_a_file_with_a_dead_layer_runs(tmp_path, layer):
    model = toy.segmentor()
    dead = [part for name, part in model.named_modules() if name.endswith(layer)]
    assert dead
    for part in dead:
        torch.nn.init.constant_(part.bias, -100.0)
    exporter = make_exporter(model, ExportOptions(quantize="int8", size=(64, 96)))
    path = tmp_path / "dead.tflite"
    path.write_bytes(to_int8(convert(exporter.graph, exporter.size), toy.random_images(3)))
    # A crash would end this process, too.
    done = subprocess.run([sys.executable, "-m", "densevision", "benchmark", str(path), "--runs", "1"], check=False)
    assert done.returncode == 0
