"""Every classification config is named after its fields, and its model runs in the three modes."""

import pytest
import torch
from mmengine.structures import LabelData

from densevision.classification.model import ImageClassifier
from densevision.config.load import load_config
from densevision.data.samples import ClsSample
from densevision.registry import MODELS
from tests.config_names import leaves


@pytest.mark.parametrize("path", leaves("classification"), ids=lambda path: path.stem)
def test_leaf_runs_and_is_named_after_its_fields(path):
    config = load_config(path)
    datasets = [config[f"{split}_dataloader"].dataset for split in ("train", "val", "test")]
    assert config.model.type is ImageClassifier
    assert path.stem == f"{config.model.backbone.name.removeprefix('mobilenet_')}_{datasets[0].data_root}"
    assert len({dataset.data_root for dataset in datasets}) == 1
    assert {dataset.center_crop for dataset in datasets} == {config.model.get("center_crop")}
    model = MODELS.build(dict(config.model, num_classes=4))
    images, samples = torch.randn(2, 3, 64, 64), [ClsSample(gt=LabelData(label=torch.tensor([1]))) for _ in range(2)]
    assert model(images, samples, mode="loss")["loss_cls"].isfinite()
    model.eval()
    assert model(images).shape == (2, 4)
    assert model(images, samples, mode="predict")[0].pred.score.shape == (4,)


def test_the_crop_of_a_data_set_can_not_differ():
    from densevision.errors import UserError

    changed = load_config("v3_small_imagenet", ["model.center_crop=0.9"])
    assert changed.val_dataloader.dataset.center_crop == 0.9
    with pytest.raises(UserError, match="center_crop differs from model.center_crop; set model.center_crop only"):
        load_config("v3_small_imagenet", ["val_dataloader.dataset.center_crop=0.5"])
