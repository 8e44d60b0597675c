import dataclasses
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from densevision.benchmark.profile import inspect_model
from densevision.benchmark.timing import Timing
from densevision.cli.main import main
from densevision.export.tflite_graph import count_ops, read_graph
from densevision.paper import latency_plot
from densevision.paper.compare import build_row
from densevision.paper.latency import (
    BASES,
    TimedRow,
    compare_pairs,
    export_row,
    rows_to_time,
    set_statistics,
    smooth_images,
    split_file,
)
from densevision.paper.pixels import TABLE_5
from densevision.paper.tables import TABLE_3, TABLE_6, TABLE_7
from tests.benchmark.tiny_model import tiny_model


def timed(label, row, *times_ms, **pixel_ms):
    timing = Timing("a", np.array(times_ms))
    return TimedRow(label, row.name, row, False, row.accuracy, pixel_ms, timing=timing)


def test_rows_to_time_are_those_of_the_tables():
    rows = rows_to_time([3, 6, 7])
    assert [one.label for one in rows_to_time([4])] == ["3.1", "3.5", "3.6", "3.9", "4.1", "4.2", "4.3", "4.4"]
    assert [sum(one.label.startswith(f"{table}.") for one in rows) for table in (3, 4, 6, 7)] == [9, 4, 11, 11]
    assert len({one.file_name for one in rows}) == 35
    assert [one.label for one in rows_to_time([6])][:2] == ["6.1", "6.2"]
    (small,) = [one for one in rows if one.label == "4.3"]
    assert (small.name, small.accuracy, small.quantized) == ("V3-Small 1.0, int8", 64.9, True)
    assert small.pixel_ms == {"Pixel 1": 15.5, "Pixel 2": 14.9, "Pixel 3": 10.7}


def test_pair_is_a_median_ratio_of_rounds_and_the_printed_ratio():
    base = timed("6.2", TABLE_6[1], 10, 10, 20, **{"Pixel 1": 162})
    halved = timed("6.5", TABLE_6[4], 7, 8, 14, **{"Pixel 1": 119})
    (pair,) = compare_pairs([base, halved])
    assert (pair.row.label, pair.base.label, pair.ours.median) == ("6.5", "6.2", 0.7)
    assert pair.printed == {"Pixel 1": pytest.approx(119 / 162)}


def test_all_compared_rows_are_timed():
    labels = {*BASES, *(base for bases in BASES.values() for base in bases)}
    assert labels <= {one.label for one in rows_to_time([3, 5, 6, 7])}


def test_table_5_has_each_placement_of_h_swish_optimized_and_split():
    rows = {one.label: one for one in rows_to_time([5])}
    printed = {label: (one.accuracy, one.pixel_ms["Pixel 1"], one.split) for label, one in rows.items()}
    assert printed == {
        "5.1": (75.2, 51.4, False),
        "5.2": (74.5, 50.5, False),  # ReLU: nothing to split
        "5.3": (75.4, 53.5, False),
        "5.4": (75.0, 51.0, False),
        "5.1 split": (75.2, 57.5, True),
        "5.3 split": (75.4, 68.9, True),
        "5.4 split": (75.0, 54.4, True),
    }
    assert rows["5.3 split"].file_name == "table5_row3_split.tflite"
    activations = [[type(m).__name__ for m in build_row(rows[label].row).modules()] for label in ("5.1", "5.2", "5.3")]
    # stem, nine bottlenecks with two each, last convolution, hidden layer; six further bottlenecks, one with one only
    assert [names.count("Hardswish") for names in activations] == [1 + 9 * 2 + 2, 0, 21 + 5 * 2 + 1]


def test_table_5_is_drawn_as_figure_8():
    timing = Timing(Path("a.tflite"), np.array([5.0]))
    _, pixel = latency_plot.plot_latency([TimedRow(**vars(one), timing=timing) for one in rows_to_time([5])]).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in pixel.lines}
    assert lines["MobileNetV3-Large"] == [[50.5, 74.5], [51.0, 75.0], [51.4, 75.2], [53.5, 75.4]]
    assert lines["MobileNetV3-Large, h-swish split"] == [[54.4, 75.0], [57.5, 75.2], [68.9, 75.4]]


def test_activations_with_set_statistics_have_a_usual_range():
    row = TABLE_3[6]
    torch.manual_seed(0)
    model = set_statistics(build_row(row), row.size)
    peaks = []
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, output: peaks.append(output.abs().max().item()))
    with torch.no_grad():
        model(smooth_images(1, row.size) / 127.5 - 1)
    assert not model.training and min(peaks) > 0.1 and max(peaks) < 100


def test_smooth_images_are_pixels_and_deterministic():
    images = smooth_images(2, (40, 50))
    assert images.shape == (2, 3, 40, 50) and images.min() >= 0 and images.max() <= 255 and images.std() > 30
    assert torch.equal(images, smooth_images(2, (40, 50)))


def test_command_times_existing_files_and_writes_a_plot(tmp_path, capsys):
    for number, one in enumerate(rows_to_time([7]), 1):
        (tmp_path / one.file_name).write_bytes(tiny_model(64, number))
    out = tmp_path / "rows.json"
    assert main(["paper", "--latency", "--table", "7", "--work-dir", str(tmp_path), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "7.11" in printed and "The paper's comparisons" in printed
    assert (tmp_path / "latency.png").read_bytes()[:4] == b"\x89PNG"
    rows = json.loads(out.read_text())
    assert len(rows) == 11 and rows[0]["median_ms"] > 0 and len(rows[0]["times_ms"]) == 10


def test_plot_names_every_row_and_separates_families_and_int8():
    timing = Timing(Path("a.tflite"), np.array([5.0]))
    rows = [TimedRow(**vars(one), timing=timing) for one in rows_to_time([3, 6, 7])]
    ours, pixel, _, ssdlite, *_ = latency_plot.plot_latency(rows).axes
    assert {text.get_text() for text in pixel.texts} == {one.label for one in rows if one.row.table == 3}
    lines = {line.get_label(): line.get_xydata().tolist() for line in pixel.lines}
    assert lines["MobileNetV2"] == [[16.6, 60.8], [64, 72.0]]
    assert lines["MobileNetV3-Large, int8"] == [[44, 73.8]]
    assert ours.lines[0].get_xdata().tolist() == [5.0, 5.0]
    boxes = [text.get_window_extent() for text in ssdlite.texts]
    assert len(boxes) == 11 and not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table", "9"], "it times 3 (with 4), 4, 5, 6 and 7"),
        (["--table", "6", "--work-dir", "setup.cfg/x"], "--work-dir"),
        (["--table", "6", "--plot", "a.png"], "omit --plot"),
        (["--table", "8"], "--latency has no Table 8"),
    ],
)
def test_wrong_options_raise_a_one_line_error(words, message, capsys):
    assert main(["paper", "--latency", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("table", ["4", "5"])
def test_tables_without_counts_need_latency(table, capsys):
    assert main(["paper", "--table", table]) == 2
    assert "the paper prints no counts in this table; give --latency too" in capsys.readouterr().err


@pytest.mark.slow
def test_split_row_has_simple_operators_only(tmp_path):
    path = tmp_path / "row.tflite"
    export_row(TABLE_5[2].row, path, quantized=False)
    whole, split = (count_ops(read_graph(content)) for content in (path.read_bytes(), split_file(path.read_bytes())))
    assert whole["HARD_SWISH"] == 32 and "HARD_SWISH" not in split
    assert split["MUL"] - whole["MUL"] == 2 * 32 and split["ADD"] - whole["ADD"] == 32


@pytest.mark.slow
@pytest.mark.parametrize("quantized", [False, True])
def test_row_is_exported_as_float_or_int8(tmp_path, quantized):
    path = tmp_path / "row.tflite"
    export_row(TABLE_3[5], path, quantized=quantized)
    kinds = {op.kind for op in inspect_model(path, profile_runs=1).ops if op.in_xnnpack}
    assert any("QC8" in kind or "QS8" in kind for kind in kinds) == quantized
    assert any("F32" in kind and "GEMM" in kind for kind in kinds) != quantized
    # 2.5 M parameters of 4 bytes, or of 1
    assert (2.5e6 if quantized else 1.0e7) < path.stat().st_size < (3.2e6 if quantized else 1.05e7)


@pytest.mark.slow
def test_raspp_exports_with_operations_of_phones_only(tmp_path):
    path = tmp_path / "raspp.tflite"
    export_row(dataclasses.replace(TABLE_7[0], size=(129, 257)), path, quantized=False)
    assert not [op.kind for op in inspect_model(path, profile_runs=1).ops if not op.in_xnnpack and op.kind != "CAST"]
