"""A small data set and a model trained on it, by the Python API."""

import pytest

import densevision as dv
from tests.detection.conftest import write_coco


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_coco(tmp_path_factory.mktemp("coco"))


def small(data) -> dict[str, object]:
    """Overrides that train a small detector for two iterations."""
    dataset = dict(data_root=str(data), ann_file="truth.json", image_dir="images", classes=None)
    loader = {f"dataset.{key}": value for key, value in dataset.items()} | {"batch_size": 2, "num_workers": 0}
    loaders = {f"{name}_dataloader.{key}": value for name in ("train", "val") for key, value in loader.items()}
    return loaders | {
        "train_dataloader.dataset.transforms": [],
        "model.input_size": (64, 64),
        "model.backbone.width": 0.25,
        "train_cfg.max_iters": 2,
        "train_cfg.val_interval": 2,
        "default_hooks.ema": None,
    }


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return dv.train("ssdlite_v3_small_reduced_bccd", work_dir=tmp_path_factory.mktemp("run"), overrides=small(data))
