"""Tiny data sets with one fault each."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from densevision.cli.main import main

SIZE = (48, 64)  # (height, width)


def pixels(seed):
    """Return an image whose neighbors are alike, as in a photo; each seed looks different."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC))


def write_split(root, name, seeds):
    """Write images a.jpg, b.jpg, ... and a COCO json with two boxes in each; return its content."""
    folder = root / name
    folder.mkdir(parents=True)
    images = []
    for number, seed in enumerate(seeds):
        file_name = f"{chr(97 + number)}.jpg"
        Image.fromarray(pixels(seed)).save(folder / file_name, quality=95)
        images.append(dict(id=number + 1, file_name=file_name, height=SIZE[0], width=SIZE[1]))
    annotations = [
        dict(id=2 * image["id"] + k, image_id=image["id"], category_id=k + 1, bbox=[4 + 24 * k, 8, 16, 24], iscrowd=0)
        for image in images
        for k in (0, 1)
    ]
    content = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=1, name="cat"), dict(id=2, name="dog")],
    )
    write_json(root, name, content)
    return content


def write_json(root, name, content):
    (root / f"{name}.json").write_text(json.dumps(content))


CONFIG = """
from mmengine.dataset import DefaultSampler
from densevision.data.sampler import SeededSampler
from densevision.detection.coco import CocoDataset
from densevision.detection.model import SSDLite

_data = dict(type=CocoDataset, data_root={root!r})
# The boxes, 16x24 of 64x48, are 16x32 at 64x64: a scale of 0.354 (16 x 32 is the square of 22.6) with ratio 1/2.
model = dict(
    type=SSDLite, backbone=dict(name="mobilenet_v3_small"), num_classes=None, input_size=(64, 64),
    anchors=dict(scales=(0.354, 0.4, 0.5, 0.65, 0.8, 0.95)))
train_dataloader = dict(
    dataset=dict(_data, ann_file="train.json", image_dir="train"), sampler=dict(type=SeededSampler), batch_size=2)
val_dataloader = dict(
    dataset=dict(_data, ann_file="val.json", image_dir="val"), sampler=dict(type=DefaultSampler), batch_size=2)
"""


class Data:
    """A config with a train split of ten images and a val split of two."""

    def __init__(self, root):
        self.root = root
        self.train, self.val = write_split(root, "train", range(10)), write_split(root, "val", range(20, 22))
        (root / "mine.py").write_text(CONFIG.format(root=str(root)))

    def change(self, change, name="train"):
        """Change the json of a split in place."""
        content = copy.deepcopy(getattr(self, name))
        change(content)
        write_json(self.root, name, content)

    def check(self, *words):
        """Run ``densevision check``; return its status and the findings."""
        status = main(["check", str(self.root / "mine.py"), "--json", str(self.root / "found.json"), *words])
        return status, json.loads((self.root / "found.json").read_text())["findings"]


@pytest.fixture
def data(tmp_path):
    return Data(tmp_path)


def brief(findings):
    """Return (severity, split, kind, count, base names) of each finding."""
    return [
        (f["severity"], f["split"], f["kind"], f["count"], [path.rpartition("/")[2] for path in f["files"]])
        for f in findings
    ]
