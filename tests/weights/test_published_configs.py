"""The configs for published weights evaluate and run them unchanged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from densevision.checkpoints.reading import check_weights
from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.inference.load import build_model, load_predictor
from densevision.weights.convert import to_checkpoint
from densevision.weights.source import find_source
from densevision.weights.torchvision import voc_classes
from tests.weights.peers import lraspp, ssdlite

CONFIGS = Path(__file__).parents[2] / "configs"
SSDLITE = CONFIGS / "detection" / "ssdlite_v3_large_reduced_coco_torchvision.py"
LRASPP = CONFIGS / "segmentation" / "lraspp_v3_large_os16_voc_torchvision.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return converted weights by config."""
    folder, made = tmp_path_factory.mktemp("weights"), {}
    for config, network in ((SSDLITE, ssdlite), (LRASPP, lraspp)):
        name = "ssdlite320_mobilenet_v3_large" if config is SSDLITE else "lraspp_mobilenet_v3_large"
        checkpoint, _ = to_checkpoint(name, find_source(f"torchvision:{name}"), network().state_dict())
        made[config] = folder / f"{name}.pth"
        torch.save(checkpoint, made[config])
    return made


@pytest.mark.parametrize(("config", "classes"), [(SSDLITE, 90), (LRASPP, 21)])
def test_weights_fit_their_config(files, config, classes):
    checkpoint = torch.load(files[config], weights_only=True)
    model = build_model(load_config(config), classes)
    check_weights(model, checkpoint, "w.pth")
    model.backbone.bn_eps = 1e-5
    for module in model.backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-5
    with pytest.raises(UserError, match="w.pth was trained with other settings; .* model.backbone.bn_eps=0.001$"):
        check_weights(model, checkpoint, "w.pth")
    predictor = load_predictor(config, files[config])
    assert len(predictor.classes) == classes and getattr(predictor, "float_resize", None) in (True, None)


def test_detector_is_evaluated_by_class_name(files, coco_root, tmp_path):
    place = [
        f"test_dataloader.dataset.{key}={value}"
        for key, value in (("data_root", coco_root), ("ann_file", "truth.json"), ("image_dir", "images"))
    ]
    assert (
        main(
            [
                "test",
                str(SSDLITE),
                str(files[SSDLITE]),
                "--work-dir",
                str(tmp_path),
                "--json",
                str(tmp_path / "ap.json"),
                "--cfg-options",
                *place,
                "test_dataloader.num_workers=0",
            ]
        )
        == 0
    )
    metrics = json.loads((tmp_path / "ap.json").read_text())
    assert metrics["coco/AP/cat"] >= 0 and metrics["coco/AP/dog"] >= 0  # ids 2 and 30 here, 17 and 18 in COCO
    assert metrics["coco/AP/person"] == metrics["coco/AP/N/A 12"] == -1
    found = json.loads((tmp_path / "predictions" / "detections.json").read_text())
    ids = {row["category_id"] for row in found}  # classes that the json lacks have ids above its own
    assert ids - set(range(91, 182)) <= {2, 30, 12, 26, 29, 45, 66, 68, 69, 71, 83}


def test_segmentation_model_is_evaluated_on_palette_images_of_voc(files, tmp_path, monkeypatch):
    monkeypatch.setenv("DENSEVISION_DATA", str(tmp_path))
    ids = np.full((48, 64), 15, np.uint8)
    ids[:24], ids[0] = 0, 255  # a person at the bottom, background at the top, the border ignored
    for folder, name, image in (("leftImg8bit", "a.jpg", Image.new("RGB", (64, 48))), ("gtFine", "a.png", None)):
        target = tmp_path / "voc" / folder / "val" / "all"
        target.mkdir(parents=True)
        if image is None:
            image = Image.fromarray(ids, "P")
            image.putpalette([7] * 768)
        image.save(target / name)
    assert (
        main(
            [
                "test",
                str(LRASPP),
                str(files[LRASPP]),
                "--work-dir",
                str(tmp_path / "out"),
                "--json",
                str(tmp_path / "iou.json"),
                "--cfg-options",
                "test_dataloader.num_workers=0",
            ]
        )
        == 0
    )
    metrics = json.loads((tmp_path / "iou.json").read_text())
    assert {"seg/IoU___background__", "seg/IoU_person"} <= set(metrics)


def test_voc_class_names_equal_torchvision():
    classes = load_config(LRASPP).test_dataloader.dataset.classes
    assert list(classes) == voc_classes()["classes"] and list(classes.values()) == list(range(21))
