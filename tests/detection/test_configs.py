"""Every detection config: its name says what it builds, and it runs in the three modes."""

from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData

from densevision.registry import MODELS
from densevision.samples import DetSample
from densevision.training.config import load_config

LEAVES = sorted((Path(__file__).parents[2] / "configs" / "detection").glob("*.py"))


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    tokens = path.stem.split("_")
    backbone, dataset = config.model.backbone, config.train_dataloader.dataset
    height, width = dataset.input_size
    assert tokens[0] == config.model.type.__name__.lower()
    assert path.stem.startswith(f"ssdlite_{backbone.name}_")
    assert ("reduced" in tokens) == (backbone.get("reduced_tail") == "detection")
    assert backbone.get("width", 1.0) == next((int(t[1:]) / 100 for t in tokens if t[:2] in ("w0", "w1")), 1.0)
    assert (str(height) if height == width else f"{height}x{width}") in tokens
    assert tokens[-1] == dataset.data_root
    for token in tokens:
        if token.endswith("k") and token[:-1].isdigit():
            assert config.train_cfg.max_iters == 1000 * int(token[:-1])

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
    assert len(LEAVES) == 18
