"""docs/api.md: every example runs, and its names are those of the package."""

import importlib
import json
import re

import numpy as np
import pytest
import torch

import densevision as dv
from densevision.checkpoints.config import describe_config
from densevision.images import write_image
from tests.cli.test_demo import write_video
from tests.doc_examples import code_blocks
from tests.training.toy_runs import ROOT

PAGE = ROOT / "docs" / "api.md"
CLASSES = ("RBC", "WBC", "Platelets")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what the examples name: best.pth, an image, a video, and four images in place of BCCD's."""
    categories = [dict(id=number, name=name) for number, name in enumerate(CLASSES, 1)]
    images = [dict(id=number, file_name=f"{number}.jpg", height=96, width=128) for number in range(4)]
    boxes = [
        dict(id=number, image_id=number, category_id=number % 3 + 1, bbox=[20, 20, 40, 40], area=1600, iscrowd=0)
        for number in range(4)
    ]
    for split in ("train", "val"):
        for image in images:
            pixels = np.random.default_rng(image["id"]).integers(0, 256, (96, 128, 3), np.uint8)
            write_image(tmp_path / "bccd" / split / image["file_name"], pixels)
        table = tmp_path / "bccd" / "annotations" / f"instances_{split}.json"
        table.parent.mkdir(exist_ok=True)
        table.write_text(json.dumps(dict(images=images, categories=categories, annotations=boxes)))
    write_image(tmp_path / "image.jpg", pixels)
    write_video(tmp_path / "drive.mp4", 2)
    config = dv.load_config("ssdlite_v3_small_reduced_bccd", ["model.input_size=(96, 96)", "model.backbone.width=0.35"])
    options = {key: value for key, value in config.model.to_dict().items() if key != "type"}
    model = dv.SSDLite(**options | dict(num_classes=3))
    meta = dict(dataset_meta=dict(classes=CLASSES), **describe_config(config))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / "best.pth")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DENSEVISION_DATA", str(tmp_path))
    return tmp_path


def run_examples(*left_out: str) -> None:
    """Run the page's blocks one after another in one namespace, as a reader does."""
    names: dict[str, object] = {}
    for block in code_blocks(PAGE, "python"):
        if not any(text in block.text for text in left_out):
            exec(compile("\n" * block.line + block.text, str(PAGE), "exec"), names)  # noqa: S102


def test_the_examples_run(folder, capsys):
    run_examples("dv.export(")
    printed = capsys.readouterr().out
    assert "detection ('RBC', 'WBC', 'Platelets') (96, 96)\n" in printed
    assert "the image is float64 480x640x3, not uint8 [H, W, 3] RGB; convert it: " in printed
    assert (folder / "drawn.jpg").is_file() and (folder / "runs/bccd/best.pth").is_file()


@pytest.mark.slow
def test_the_examples_run_with_the_export(folder):
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    run_examples()
    assert (folder / "bccd.tflite").is_file()


def test_the_stable_names_are_those_of_the_package():
    rows = re.findall(r"^\| (`.*|\[`.*) \|", PAGE.read_text().partition("## load")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.partition("|")[0])}
    assert named == set(dir(dv))


@pytest.mark.parametrize("name", ["load", "train", "evaluate", "export", "load_config", "ExportOptions"])
def test_the_signatures_name_every_parameter(name):
    import inspect

    found = importlib.import_module("densevision.export.api").export if name == "export" else getattr(dv, name)
    (shown,) = re.findall(rf"^`dv\.{name}\((.*)\)(?: -> [\w.]+)?`", PAGE.read_text(), re.MULTILINE)
    documented = re.findall(r"(\w+)(?:=|,|$)", re.sub(r"=(?:[^,()]|\(\)|\w+\(\))*", "=", shown))
    assert documented == list(inspect.signature(found).parameters)


def test_results_have_the_attributes_of_the_page():
    from densevision.inference.results import DetectionResult, SegmentationResult

    page = PAGE.read_text()
    for kind, title in ((DetectionResult, "A detector returns"), (SegmentationResult, "A segmentation model returns")):
        table = page.partition(title)[2].partition("\n\n|")[2].partition("\n\n")[0]
        names = re.findall(
            r"`(\w+)`", " ".join(line.split("|")[0 if line.startswith(" ") else 1] for line in table.splitlines())
        )
        members = set(kind.__dataclass_fields__) | set(dir(kind))
        assert names and set(names) <= members
