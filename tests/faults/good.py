"""A good tiny setup of all tasks, which every row of the table damages in one way."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from densevision.cli.main import main
from densevision.images import write_image
from densevision.inference.metadata import ModelInfo
from tests.classification.conftest import write_tree
from tests.detection.conftest import TABLE
from tests.faults.folder import chdir

SIDE = 64
DETECTOR = """
from mmengine.config import read_base
from mmengine.optim import LinearLR
from torch.optim import SGD
from densevision.detection.model import SSDLite
from densevision.detection.coco import CocoDataset
with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
_data = dict(data_root="boxes", image_dir="images")
train_dataloader.dataset.update(_data, ann_file="train.json", transforms=[])
val_dataloader.dataset.update(_data, ann_file="val.json")
train_dataloader.update(batch_size=2, num_workers=0)
val_dataloader.update(batch_size=2, num_workers=0)
model = dict(type=SSDLite, backbone=dict(name="mobilenet_v3_small", width=0.25), input_size=(64, 64), num_classes=None)
train_cfg.update(max_iters=2, val_interval=2)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.01, momentum=0.9))
param_scheduler = [dict(type=LinearLR, start_factor=0.1, end=1)]
default_hooks.update(curves=None)
"""
SEGMENTOR = """
from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from torch.optim import SGD
from densevision.data.sampler import SeededSampler
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.masks import MaskDataset
from densevision.segmentation.metric import IoUMetric
from densevision.segmentation.model import Segmentor
with read_base():
    from densevision.configs._base_.runtime import *
_data = dict(type=MaskDataset, data_root="masks", classes=["sky", "road", "car"])
train_dataloader = dict(
    dataset=dict(_data, image_dir="train", label_dir="train_labels"),
    sampler=dict(type=SeededSampler), batch_size=2, num_workers=0,
)
val_dataloader = dict(
    dataset=dict(_data, image_dir="val", label_dir="val_labels"),
    sampler=dict(type=DefaultSampler, shuffle=False), batch_size=2, num_workers=0,
)
val_evaluator = dict(type=IoUMetric)
model = dict(
    type=Segmentor, backbone=dict(name="mobilenet_v3_small", width=0.25, output_stride=16),
    head=dict(type=LRASPPHead, filters=16), num_classes=None,
)
train_cfg.update(max_iters=2, val_interval=2)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.01))
default_hooks.update(curves=None)
"""
CLASSIFIER = """
from mmengine.config import read_base
from torch.optim import SGD
from densevision.classification.model import ImageClassifier
with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.small_classification import *
train_dataloader.dataset.update(data_root="cells", transforms=[])
val_dataloader.dataset.update(data_root="cells")
train_dataloader.update(batch_size=2, num_workers=0)
val_dataloader.update(batch_size=2, num_workers=0)
model = dict(
    type=ImageClassifier, backbone=dict(name="mobilenet_v3_small", width=0.25), num_classes=None, input_size=(32, 32)
)
train_cfg.update(max_iters=2, val_interval=2)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.01))
default_hooks.update(curves=None)
"""
CONFIGS = {"det": DETECTOR, "seg": SEGMENTOR, "cls": CLASSIFIER}
ABOUT = ModelInfo(
    "logits", ("sky", "road", "car"), (SIDE, SIDE), "uint8", "none", ((0, 0, 255), (9, 9, 9), (255, 0, 0))
)


def write_setup(folder: Path) -> None:
    """Write data, configs, a finished training of each task, images, a video and a .tflite below ``folder``."""
    os.environ.pop("DENSEVISION_DATA", None)
    write_configs_and_data(folder)
    write_tflite(folder / "seg.tflite")
    random = np.random.default_rng(0)
    for number in range(3):
        write_image(folder / "photos" / f"{number}.jpg", random.integers(0, 255, (48, 64, 3), np.uint8))
    write_video(folder / "video.avi", random)
    with chdir(folder):
        for name in CONFIGS:
            curves = "default_hooks.curves=dict(type='densevision.CurvesHook')"
            assert main(["train", f"{name}.py", "--work-dir", f"{name}_run", "--quiet", "--cfg-options", curves]) == 0
    for name in CONFIGS:
        run = folder / f"{name}_run"
        for path in [*run.rglob("events*"), *run.rglob("*.png"), *run.rglob("*.html"), *run.glob("iter_1*")]:
            path.unlink()


def write_configs_and_data(folder: Path) -> None:
    """Write a config of each task, and its data."""
    for name, text in CONFIGS.items():
        (folder / f"{name}.py").write_text(text)
    write_boxes(folder / "boxes")
    write_masks(folder / "masks")
    counts = dict(train=dict(blue=2, green=2, red=2), val=dict(blue=1, green=1, red=1))
    write_tree(folder / "cells", counts)


def write_boxes(folder: Path) -> None:
    """Three images with five boxes, the same in train and val."""
    random = np.random.default_rng(0)
    for image in TABLE["images"]:
        pixels = random.integers(0, 255, (image["height"], image["width"], 3), np.uint8)
        write_image(folder / "images" / image["file_name"], pixels)
    for name in ("train", "val"):
        (folder / f"{name}.json").write_text(json.dumps(TABLE))


def write_masks(folder: Path) -> None:
    """Two images a split, with masks of the ids 0 to 2."""
    random = np.random.default_rng(0)
    ids = np.zeros((SIDE, SIDE), np.uint8)
    ids[20:], ids[50:, 30:] = 1, 2
    for split in ("train", "val"):
        for number in range(2):
            image = random.integers(0, 255, (SIDE, SIDE, 3), np.uint8)
            write_image(folder / split / f"{number}.png", image)
            write_mask(folder / f"{split}_labels" / f"{number}.png", ids)


def write_mask(path: Path, ids: np.ndarray) -> None:
    """Write a mask of ids."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)


def write_tflite(path: Path, **changes: object) -> None:
    """Write a .tflite that gives the pixels of its input as logits, with metadata that fit except for ``changes``."""
    from densevision.export.metadata import attach_metadata
    from tests.benchmark.tiny_model import tiny_model

    path.write_bytes(attach_metadata(tiny_model(SIDE), replace(ABOUT, **changes)))


def about() -> dict:
    """Return the metadata of the good .tflite as json has them."""
    return json.loads(json.dumps(asdict(ABOUT)))


def write_video(path: Path, random: np.random.Generator) -> None:
    """Write four frames."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48))
    for _ in range(4):
        writer.write(random.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
