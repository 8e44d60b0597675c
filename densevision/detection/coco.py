"""Any data set in COCO's json format."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from densevision.augment import Augment, Resize
from densevision.data.check import SplitCounts
from densevision.dataset import DrawDataset
from densevision.errors import UserError
from densevision.images import read_image, resize_image
from densevision.paths import resolve_data_root
from densevision.registry import DATASETS
from densevision.samples import DetSample


@DATASETS.register_module()
class CocoDataset(DrawDataset):
    """Images with boxes, resized to one size.

    Args:
        data_root: folder, see ``resolve_data_root``.
        ann_file: json below ``data_root``.
        image_dir: folder of the json's ``file_name`` entries, below ``data_root``.
        input_size: (height, width) that every image is resized to.
        classes: names in the order of the labels; None takes all categories of the json by rising id; a number
            takes every id from 1 to it, those that the json lacks as "N/A 12" (the COCO releases have 90).
        transforms: albumentations for training; the resize follows them.
        float_resize: evaluate resized images as float32, not rounded to bytes, as torchvision does.
    Images without objects are kept. Crowd boxes teach nothing but reach the evaluation.
    Raises:
        UserError: folder, json, image file or class name is not there.
    """

    def __init__(self, data_root: str, ann_file: str, image_dir: str, input_size: tuple[int, int],
                 classes: Sequence[str] | int | None = None, transforms: Sequence[dict] = (), *,
                 float_resize: bool = False):
        root = resolve_data_root(data_root)
        self.image_dir = root / image_dir
        table = read_coco(root / ann_file)
        category_ids = choose_categories(table["categories"], classes, root / ann_file)
        self.metainfo = dict(
            classes=tuple(category_ids), category_ids=tuple(category_ids.values()), ann_file=str(root / ann_file)
        )
        self.input_size, self.float_resize = tuple(input_size), float_resize
        self._pack(table, {id_: label for label, id_ in enumerate(category_ids.values())})
        self._check_images()
        super().__init__(len(self.image_ids))
        self.augment = Augment([*transforms, Resize(*self.input_size)], boxes=True)

    def _pack(self, table: dict, label_of: dict[int, int]) -> None:
        """Keep the annotations in flat arrays: forked loader workers share them without copies."""
        images = table["images"]
        self.image_ids = np.array([image["id"] for image in images], np.int64)
        self.file_names = np.array([image["file_name"] for image in images])
        row_of = {int(image_id): row for row, image_id in enumerate(self.image_ids)}
        kept, degenerate = [], []
        for annotation in table["annotations"]:
            if annotation.get("iscrowd") or annotation["category_id"] not in label_of:
                continue
            x, y, width, height = annotation["bbox"]
            if not (width >= 1 and height >= 1):  # also NaN
                degenerate.append(annotation["id"])
                continue
            label = label_of[annotation["category_id"]]
            kept.append((row_of[annotation["image_id"]], label, x, y, x + width, y + height))
        rows = np.array(sorted(kept, key=lambda k: k[0]), np.float64).reshape(-1, 6)
        self.starts = np.searchsorted(rows[:, 0], np.arange(len(images) + 1))
        self.labels, self.boxes = rows[:, 1].astype(np.int64), rows[:, 2:].astype(np.float32)
        if degenerate:
            some = ", ".join(map(str, degenerate[:5])) + (", ..." if len(degenerate) > 5 else "")
            print_log(f"{self.metainfo['ann_file']}: skipped {len(degenerate)} boxes under one pixel "
                      f"(annotation ids {some})", "current", logging.WARNING)

    def _check_images(self) -> None:
        if not len(self.file_names):
            raise UserError(f"{self.metainfo['ann_file']}: the list of images is empty")
        missing = [name for name in self.file_names if not (self.image_dir / name).is_file()]
        if missing:
            raise UserError(f"{len(missing)} of {len(self.file_names)} images of {self.metainfo['ann_file']} are not "
                            f"in {self.image_dir}, the first is {missing[0]}; check image_dir in the config")

    def count(self, split: str = "val") -> SplitCounts:
        """Count the boxes of each class."""
        counts = np.bincount(self.labels, minlength=len(self.metainfo["classes"])).tolist()
        per_class = dict(zip(self.metainfo["classes"], counts, strict=True))
        return SplitCounts(self.metainfo["ann_file"], len(self), "boxes", per_class)

    def align_classes(self, classes: Sequence[str]) -> None:
        """Take the model's classes, see ``DrawDataset``."""

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, *input_size], uint8 or float32, and a ``DetSample`` with boxes in input pixels."""
        path = self.image_dir / self.file_names[index]
        image = read_image(path)
        rows = slice(self.starts[index], self.starts[index + 1])
        sample = dict(image=image, boxes=self.boxes[rows], labels=self.labels[rows])
        if seed is not None:
            sample = self.augment(seed, **sample)
        else:
            sample["image"] = image.astype(np.float32) if self.float_resize else image
            sample = resize_sample(sample, self.input_size)
        data_sample = DetSample(metainfo=dict(
            img_id=int(self.image_ids[index]), img_path=str(path), ori_size=image.shape[:2], input_size=self.input_size
        ))
        boxes, labels = (torch.from_numpy(sample[field]) for field in ("boxes", "labels"))
        data_sample.gt = InstanceData(boxes=boxes, labels=labels)
        pixels = torch.from_numpy(np.ascontiguousarray(sample["image"]))
        return dict(inputs=pixels.permute(2, 0, 1), data_samples=data_sample)


def resize_sample(sample: dict[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Resize ``image`` to (height, width) and move ``boxes`` [G, 4] along."""
    height, width = sample["image"].shape[:2]
    scale = np.array([size[1] / width, size[0] / height] * 2, np.float32)
    return dict(image=resize_image(sample["image"], size), boxes=sample["boxes"] * scale, labels=sample["labels"])


def read_coco(path: Path) -> dict:
    """Read a COCO json and check what the rest relies on.

    Raises:
        UserError: no such file, no json, a missing list or field, or an annotation of an unknown image.
    """
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"annotation file {path} does not exist; set ann_file in the config") from None
    except (ValueError, OSError) as error:
        raise UserError(f"annotation file {path} is not readable json: {error}") from error
    for field, keys in _FIELDS.items():
        rows = table.get(field) if isinstance(table, dict) else None
        if not isinstance(rows, list):
            raise UserError(f"annotation file {path} has no list {field!r}; it must be in COCO's detection format")
        for number, row in enumerate(rows):
            missing = [key for key in keys if not isinstance(row, dict) or key not in row]
            if missing:
                raise UserError(f"annotation file {path}: {field}[{number}] has no {missing[0]!r}")
    known = {image["id"] for image in table["images"]}
    for annotation in table["annotations"]:
        if annotation["image_id"] not in known:
            raise UserError(f"annotation file {path}: annotation {annotation['id']} names image_id "
                            f"{annotation['image_id']}, which is not in its images")
        if not _is_box(annotation["bbox"]):
            raise UserError(f"annotation file {path}: annotation {annotation['id']} has bbox {annotation['bbox']}; "
                            "it must be four numbers x, y, width, height")
    return table


_FIELDS = dict(
    images=("id", "file_name"), categories=("id", "name"), annotations=("id", "image_id", "category_id", "bbox")
)


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(v, (int, float)) for v in value)


def choose_categories(categories: Sequence[dict], classes: Sequence[str] | int | None, path: Path) -> dict[str, int]:
    """Map class name -> category id, in the order of the labels.

    Args:
        categories: the json's list.
        classes: as of ``CocoDataset``.
        path: of the json, for the message.
    Raises:
        UserError: a name is not in the json, an id is past the number, or there are no categories.
    """
    ids = {category["name"]: category["id"] for category in sorted(categories, key=lambda c: c["id"])}
    if not ids:
        raise UserError(f"annotation file {path} has no categories; it must list id and name of every class")
    if classes is None:
        return ids
    if isinstance(classes, int):
        return _every_id(ids, classes, path)
    unknown = [name for name in classes if name not in ids]
    if unknown:
        raise UserError(f"class {unknown[0]!r} in the config is not in {path}; its classes are: {', '.join(ids)}")
    return {name: ids[name] for name in classes}


def _every_id(ids: dict[str, int], last: int, path: Path) -> dict[str, int]:
    names = {id_: name for name, id_ in ids.items()}
    if not 1 <= min(names) <= max(names) <= last:
        raise UserError(f"classes={last} in the config: {path} has the category ids {min(names)} to {max(names)}")
    return {names.get(id_, f"N/A {id_}"): id_ for id_ in range(1, last + 1)}
