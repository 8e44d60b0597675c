import json
import shutil
from dataclasses import asdict

import pytest

from densevision.cli.main import main
from densevision.config.find import shipped_configs
from densevision.config.load import load_config
from densevision.export.metadata import attach_metadata
from densevision.inference.metadata import ModelInfo
from densevision.paper.pixels import (
    TABLE_4,
    find_row,
    printed_latencies,
    printed_of_files,
    row_field,
)
from densevision.paper.tables import TABLE_3, TABLE_6, TABLE_7, TABLE_8, TABLE_9
from densevision.structures import PostProcess
from tests.benchmark.tiny_model import tiny_model


@pytest.mark.parametrize(
    ("row", "size", "printed"),
    [
        (TABLE_3[0], (224, 224), {"Pixel 1": 51, "Pixel 2": 61, "Pixel 3": 44}),
        (TABLE_3[8], (224, 224), {"Pixel 1": 16.6, "Pixel 2": 19.6, "Pixel 3": 13.9}),
        (TABLE_6[4], (320, 320), {"Pixel 1": 119}),
        (TABLE_6[4], (512, 512), {}),
        (TABLE_7[0], (1025, 2049), {"Pixel 3": 3900}),
        (TABLE_7[0], (1024, 2048), {"Pixel 3": 3900}),
        (TABLE_7[0], (513, 1025), {"Pixel 3": 1020}),
        (TABLE_7[10], (512, 1024), {"Pixel 3": 327}),
        (TABLE_8[2], (513, 1025), {"Pixel 3": 534}),  # V3-Large at output stride 32
        (TABLE_7[0], (769, 769), {}),
        (TABLE_8[8], (512, 1024), {}),  # ESPNetv2 was not timed
        (TABLE_9[3], (224, 224), {"Pixel 1": 21.7}),
    ],
)
def test_latencies_as_printed(row, size, printed):
    assert printed_latencies(row, size) == printed


def test_table_4_is_faster_than_float_except_for_the_smallest_network_on_pixel_1():
    pairs = [(one.latencies["Pixel 1"], one.float_row.latency_ms) for one in TABLE_4]
    assert pairs == [(44, 51), (52, 64), (15.5, 15.8), (16.7, 16.6)]


@pytest.mark.parametrize("row", [*TABLE_3, *TABLE_6, *TABLE_7, *TABLE_9], ids=lambda row: f"{row.table}-{row.name}")
def test_field_identifies_its_row(row):
    assert find_row(row_field(row)) is row


def test_row_of_table_8_is_that_of_the_full_resolution():
    assert [find_row(dict(table=8, row=number)) for number in range(1, 8)] == [*TABLE_8[:8:2], *TABLE_8[8:]]


@pytest.mark.parametrize("field", [{}, dict(table=6), dict(table=6, row=12), dict(table="6", row=5)])
def test_other_field_has_no_row(field):
    assert find_row(field) is None


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("ssdlite_v3_large_reduced_coco", {"Pixel 1": 119}),
        ("ssdlite_v3_small_reduced_bccd", {}),
        ("ssdlite_v3_large_reduced_coco_torchvision", {}),
    ],
)
def test_config_keeps_its_row_under_another_name(tmp_path, name, printed):
    config = load_config(shutil.copy(shipped_configs()[name], tmp_path / "anything.py"))
    row = find_row(config.get("paper", {}))
    assert (printed_latencies(row, config.test_dataloader.dataset.input_size) if row else {}) == printed


@pytest.fixture
def halved_and_v2(tmp_path):
    paths = []
    for row in (TABLE_6[1], TABLE_6[4]):
        about = ModelInfo(
            "boxes",
            ("a",),
            (320, 320),
            "uint8",
            "none",
            postprocess=asdict(PostProcess()),
            origin=dict(config_name="anything", paper=row_field(row)),
        )
        paths.append(tmp_path / f"row{row.row}.tflite")
        paths[-1].write_bytes(attach_metadata(tiny_model(), about))
    return paths


def test_latencies_of_exported_files(halved_and_v2, tmp_path):
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(tiny_model())
    assert printed_of_files([*halved_and_v2, foreign]) == [{"Pixel 1": 162}, {"Pixel 1": 119}, {}]


def test_benchmark_shows_the_latencies_of_the_paper(halved_and_v2, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["benchmark", *map(str, halved_and_v2), "--runs", "3", "--json", str(out)]) == 0
    assert "119 (0.73)" in capsys.readouterr().out
    assert [file["paper_ms"] for file in json.loads(out.read_text())["files"]] == [{"Pixel 1": 162}, {"Pixel 1": 119}]
