"""Every segmentation config is named after its fields, and its model runs in the three modes."""

import pytest
import torch
from mmengine.structures import PixelData

from densevision.config.load import load_config
from densevision.data.samples import SegSample
from densevision.registry import MODELS
from densevision.segmentation.model import Segmentor
from tests.config_names import leaves, names_of

LEAVES = leaves("segmentation")


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    assert config.model.type is Segmentor
    assert path.stem in names_of(config, "segmentation")
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
