"""Every segmentation config is named after its fields, and its model runs in the three modes."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from densevision.config.load import load_config
from densevision.data.sampler import LateKey, SampleKey
from densevision.data.samples import SegSample
from densevision.registry import MODELS
from densevision.segmentation.model import Segmentor
from tests.config_names import leaves, names_of
from tests.segmentation.conftest import make_dataset

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


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_training_images_of_a_leaf_fill_a_batch(path, tmp_path):
    settings = load_config(path).train_dataloader.dataset
    masks = [np.full((1024, 2048), id_, np.uint8) for id_ in (7, 23)]
    data = make_dataset(tmp_path, masks, transforms=settings.transforms, early=settings.get("early"))
    data.count("train")
    assert data.late_growth >= 1
    for kind in (SampleKey, LateKey):
        first, second = (data[kind(index, index)]["inputs"].shape for index in range(2))
        assert first == second


def test_there_are_leaves():
    assert len(LEAVES) >= 20
