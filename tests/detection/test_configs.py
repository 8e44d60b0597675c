"""Every detection config is named after its fields, and its model runs in the three modes."""

import pytest
import torch
from mmengine.structures import InstanceData

from densevision.config.load import load_config
from densevision.data.samples import DetSample
from densevision.detection.model import SSDLite
from densevision.registry import MODELS
from tests.config_names import leaves, names_of

LEAVES = leaves("detection")


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    assert config.model.type is SSDLite
    assert path.stem in names_of(config, "detection")

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
