"""MODEL.md, which an export writes next to its file."""

import dataclasses
from types import SimpleNamespace

import pytest

pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")

from densevision.export.card import Measured, write_card
from densevision.export.convert import ExportReport
from densevision.export.exporter import Parity
from tests.inference.test_metadata import ABOUT, attached


def export(folder, name="m.tflite", drop=None, about=ABOUT):
    path = folder / name
    path.write_bytes(attached(about))
    report = ExportReport(path, 1234567, "ab12", {}, {}, Parity(8, 1e-7, 2e-7, 1e-8, rows=1.0, detections=40))
    return write_card(Measured(report, drop, "87 images of bccd/val.json", "SSDLite"))


def test_a_card_has_the_figures_of_the_export(tmp_path):
    about = dataclasses.replace(ABOUT, score_threshold=0.45, origin=dict(config_name="mine", versions=dict(torch="1")))
    drop = SimpleNamespace(name="coco/AP", file=0.45139, model=0.4503)
    card = export(tmp_path, drop=drop, about=about)
    text = card.read_text()
    assert card == tmp_path / "MODEL.md"
    for line in (
        "## m.tflite",
        "Object detection with SSDLite, 2 classes: car, bus.",
        "| input | [1, 64, 96, 3] uint8, RGB, 0 to 255 |",
        "| precision | weights and activations int8 |",
        "| size | 1,234,567 bytes |",
        "| sha256 | `ab12` |",
        "| metric | coco/AP 45.14 of 100 (45.03 by PyTorch), on 87 images of bccd/val.json; "
        "`densevision test m.tflite --config CONFIG` repeats it |",
        "100.00% of 40 detections agree",
        "| score threshold | 0.450: there",
        "| made by | torch 1 |",
        "resized to 96x64 (width x height)",
        'model = dv.load("m.tflite")',
        ".setScoreThreshold(0.450f)",
        "### License",
    ):
        assert line in text, line


def test_a_card_lists_every_file_of_its_folder_once(tmp_path):
    export(tmp_path)
    export(tmp_path, "int8.tflite")
    export(tmp_path)
    text = (tmp_path / "MODEL.md").read_text()
    assert text.count("## m.tflite") == text.count("## int8.tflite") == 1 and text.count("# Models") == 1
    assert "not measured for this file; `densevision test m.tflite --config CONFIG` does" in text
    (tmp_path / "int8.tflite").unlink()
    export(tmp_path)
    assert "int8.tflite" not in (tmp_path / "MODEL.md").read_text()


@pytest.mark.parametrize("own", ["# My model\n", "", "# Models\n\nmy notes\n"])
def test_a_card_that_a_user_wrote_stays(tmp_path, capsys, own):
    card = tmp_path / "MODEL.md"
    card.write_text(own)
    assert export(tmp_path) is None and card.read_text() == own
    out = capsys.readouterr().out
    assert out.startswith("warning: no model card was written: ") and out.count("\n") == 1


def test_a_file_without_mediapipe_has_no_android_section(tmp_path):
    about = dataclasses.replace(ABOUT, outputs="boxes", input_type="float32")
    text = export(tmp_path, about=about).read_text()
    assert "Android" not in text and "float32, RGB, -1 to 1" in text and "pixel / 127.5 - 1" in text
