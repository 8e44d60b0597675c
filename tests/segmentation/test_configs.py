"""Every segmentation config is named after its fields, and its model runs in the three modes."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.structures import PixelData

from densevision.config.load import load_config
from densevision.data.samples import SegSample
from densevision.registry import MODELS
from densevision.segmentation.model import Segmentor

LEAVES = sorted((Path(__file__).parents[2] / "configs" / "segmentation").glob("*.py"))


def name_of(config):
    """Return the file name that matches the fields of a config."""
    backbone, dataset = config.model.backbone, config.train_dataloader.dataset
    crop = next(t for t in dataset.transforms if t.type.__name__ == "RandomCrop")
    tokens = [config.model.head.type.__name__.removesuffix("Head").lower() + str(config.model.head.filters)]
    tokens.append(backbone.name)
    if "width" in backbone:
        tokens.append(f"w{round(100 * backbone.width):03d}")
    if "reduced_tail" in backbone:
        tokens.append({"segmentation": "reduced"}[backbone.reduced_tail])
    tokens += [f"os{backbone.output_stride}", f"{crop.height}x{crop.width}"]
    if config.optim_wrapper.constructor is DefaultOptimWrapperConstructor:
        tokens.append("mmseg")
    if backbone.get("padding") == "same":  # for published weights
        tokens.append("tensorflow")
    elif dataset.data_root == "cityscapes":
        tokens.append(f"{config.train_cfg.max_iters / 1000:g}k")
    if config.test_dataloader.dataset.split == "test":
        tokens.append("test")
    return "_".join([*tokens, dataset.data_root])


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    assert config.model.type is Segmentor
    assert path.stem == name_of(config)
    assert config.train_dataloader.dataset.data_root == config.val_dataloader.dataset.data_root

    model = MODELS.build(dict(config.model, num_classes=4))
    images = torch.randn(2, 3, 64, 96)
    samples = [SegSample(metainfo=dict(ori_size=(64, 96), input_size=(64, 96))) for _ in range(2)]
    for sample in samples:
        sample.gt = PixelData(labels=torch.randint(0, 4, (1, 64, 96), dtype=torch.uint8))
    assert model(images, samples, mode="loss")["loss_seg"].isfinite()
    model.eval()
    assert model(images).shape == (2, 4, 64, 96)
    assert model(images, samples, mode="predict")[0].pred.labels.shape == (1, 64, 96)


def test_there_are_leaves():
    assert len(LEAVES) >= 20
