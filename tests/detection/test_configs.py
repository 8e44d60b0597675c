"""Every detection config is named after its fields, and its model runs in the three modes."""

from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData

from densevision.config.load import load_config
from densevision.data.samples import DetSample
from densevision.detection.loss import SoftmaxLoss
from densevision.detection.model import SSDLite
from densevision.registry import MODELS

LEAVES = sorted((Path(__file__).parents[2] / "configs" / "detection").glob("*.py"))


def name_of(config):
    """Return the file name that matches the fields of a config."""
    backbone, dataset = config.model.backbone, config.train_dataloader.dataset
    height, width = dataset.input_size
    tokens = ["ssdlite", backbone.name]
    if "width" in backbone:
        tokens.append(f"w{round(100 * backbone.width):03d}")
    if "hswish_from" in backbone:
        tokens.append(f"hswish{backbone.hswish_from}")
    if "reduced_tail" in backbone:
        tokens.append({"detection": "reduced"}[backbone.reduced_tail])
    tokens.append(str(height) if height == width else f"{height}x{width}")
    if "loss" in config.model:
        tokens.append({SoftmaxLoss: "torchvision"}[config.model.loss.type])
    if backbone.get("padding") == "same":
        tokens.append("tensorflow")
    if "init_from" in config:
        tokens.append("finetuned")
    if dataset.data_root == "coco" and backbone.get("padding") != "same":  # only for testing published weights
        tokens.append(f"{config.train_cfg.max_iters / 1000:g}k")
    return "_".join([*tokens, dataset.data_root])


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    assert config.model.type is SSDLite
    assert path.stem == name_of(config)

    model = MODELS.build(dict(config.model, num_classes=4, input_size=(64, 96)))
    images = torch.randn(2, 3, 64, 96)
    samples = [DetSample(metainfo=dict(ori_size=(64, 96), input_size=(64, 96))) for _ in range(2)]
    for sample in samples:
        sample.gt = InstanceData(boxes=torch.tensor([[8.0, 8.0, 40.0, 48.0]]), labels=torch.tensor([1]))
    assert all(loss.isfinite() for loss in model(images, samples, mode="loss").values())
    model.eval()
    logits, deltas = model(images)
    assert logits.shape == (2, len(model.anchors), 5) and deltas.shape == (2, len(model.anchors), 4)
    assert model(images, samples, mode="predict")[0].pred.boxes.shape[1] == 4


def test_there_are_leaves():
    assert len(LEAVES) >= 20
