"""Every segmentation config: its name says what it builds, and it runs in the three modes."""

from pathlib import Path

import pytest
import torch
from mmengine.structures import PixelData

from densevision.registry import MODELS
from densevision.samples import SegSample
from densevision.training.config import load_config

LEAVES = sorted((Path(__file__).parents[2] / "configs" / "segmentation").glob("*.py"))


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    tokens = path.stem.split("_")
    model = MODELS.build(dict(config.model, num_classes=4))
    head, backbone = config.model.head, config.model.backbone
    assert tokens[0] == head.type.__name__.removesuffix("Head").lower() + str(head.filters)
    assert backbone.name in path.stem
    assert ("reduced" in tokens) == (backbone.get("reduced_tail") == "segmentation")
    assert backbone.get("width", 1.0) == next((int(t[1:]) / 100 for t in tokens if t[:2] in ("w0", "w1")), 1.0)
    assert f"os{backbone.output_stride}" in tokens
    assert tokens[-1] == config.train_dataloader.dataset.data_root == config.val_dataloader.dataset.data_root
    crop = next(t for t in config.train_dataloader.dataset.transforms if t.type.__name__ == "RandomCrop")
    assert f"{crop.height}x{crop.width}" in tokens
    if "320k" in tokens:
        assert config.train_cfg.max_iters == 320_000

    images = torch.randn(2, 3, 64, 96)
    samples = [SegSample(metainfo=dict(ori_size=(64, 96), input_size=(64, 96))) for _ in range(2)]
    for sample in samples:
        sample.gt = PixelData(labels=torch.randint(0, 4, (1, 64, 96), dtype=torch.uint8))
    assert model(images, samples, mode="loss")["loss_seg"].isfinite()
    model.eval()
    assert model(images).shape == (2, 4, 64, 96)
    assert model(images, samples, mode="predict")[0].pred.labels.shape == (1, 64, 96)


def test_there_are_leaves():
    assert len(LEAVES) == 18
