"""Any data set in COCO's json format."""

from __future__ import annotations

import dataclasses
import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from densevision.data.augment import Augment, Resize
from densevision.data.check import SplitCounts
from densevision.data.dataset import SeededDataset
from densevision.data.files import find_files
from densevision.data.paths import resolve_data_root
from densevision.data.samples import DetSample
from densevision.data.sizes import Annotated, check_headers, even_sample, size_fault
from densevision.detection.coco_boxes import overhang
from densevision.detection.coco_json import CocoTable
from densevision.detection.coco_reader import CocoReader
from densevision.errors import UserError
from densevision.images import read_header, read_image, resize_image
from densevision.registry import DATASETS


@DATASETS.register_module()
class CocoDataset(SeededDataset):
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
        box_format, crowds, exif: how json and images are read where they are not as COCO's, see ``CocoReader``.
    Images without objects are kept. Crowds, and boxes under one pixel or outside of their image, are left out of
    training and kept for evaluation, as COCO's tools do.
    Attributes:
        metainfo: ``classes`` and, in their order, ``category_ids``, with ids of its own for classes that the json
            lacks; ``ann_file``; ``reader``, the fields of the ``CocoReader``.
    Raises:
        UserError: folder, json, image file or class name is not there, or the json contradicts itself.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        image_dir: str,
        input_size: tuple[int, int],
        classes: Sequence[str] | int | None = None,
        transforms: Sequence[dict] = (),
        *,
        float_resize: bool = False,
        box_format: str | None = None,
        crowds: str = "ignore",
        exif: str = "apply",
    ):
        root = resolve_data_root(data_root)
        self.image_dir, self.exif = root / image_dir, exif
        reader = CocoReader(str(root / ann_file), str(self.image_dir), box_format, crowds, exif)
        table = reader.read()
        if not table.image_ids:
            raise UserError(f"{table.path}: the list of images is empty")
        found, self._notes = find_files(self.image_dir, table.file_names, table.path)
        self.file_names, self.image_ids = np.array(found), _pack_ids(table.image_ids)
        self._chosen = choose_categories(table, classes)
        taken = [id_ for id_ in (*table.category_ids, *self._chosen.values()) if not isinstance(id_, str)]
        self._spare = int(max(taken, default=0)) + 1
        self.metainfo = dict(
            classes=tuple(self._chosen),
            category_ids=tuple(self._chosen.values()),
            ann_file=str(table.path),
            reader=dataclasses.asdict(reader),
        )
        self.input_size, self.float_resize = tuple(input_size), float_resize
        self._pack(table)
        super().__init__(len(table.image_ids))
        self.augment = Augment([*transforms, Resize(*self.input_size)], boxes=True)

    def _pack(self, table: CocoTable) -> None:
        """Keep what is trained on in flat arrays: forked loader workers share them without copies."""
        label_of = {id_: label for label, id_ in enumerate(self._chosen.values())}
        labels = np.array([label_of.get(id_, -1) for id_ in table.category_ids], np.int64)
        labels = labels[table.category_rows] if len(labels) else np.zeros(0, np.int64)
        self.sizes, self._sized = table.sizes, table.sized
        sizes = table.sizes[table.image_rows]
        chosen = labels >= 0
        reasons = untrained_reasons(table, sizes)
        self._untrained = {why: int((mask & chosen).sum()) for why, mask in reasons.items() if (mask & chosen).any()}
        self._dropped = dict(table.skipped)
        if not chosen.all():
            self._dropped["of classes that the config leaves out"] = int((~chosen).sum())
        self._annotated, self._all_crowds = table.annotated, bool(len(labels)) and bool(table.crowds.all())
        objects = np.bincount(labels[chosen & ~table.crowds], minlength=len(label_of)).tolist()
        self._objects = dict(zip(self._chosen, objects, strict=True))
        crowds = np.bincount(labels[chosen & table.crowds], minlength=len(label_of))
        self._crowd_classes = [name for name, n, crowd in zip(self._chosen, objects, crowds, strict=True) if crowd > n]
        kept = chosen & ~np.any(list(reasons.values()), axis=0)
        order = np.flatnonzero(kept)[np.argsort(table.image_rows[kept], kind="stable")]
        self.starts = np.searchsorted(table.image_rows[order], np.arange(len(table.image_ids) + 1))
        boxes, limits = table.boxes[order], sizes[order][:, ::-1]
        limits = np.where(limits > 0, limits, np.inf)
        self._past = int((overhang(boxes, limits[:, ::-1]) > 0.5).sum())
        self._repeated, self._drawn = count_repeated(table), int(chosen.sum())
        reach = np.max((boxes[:, :2] + boxes[:, 2:]) / limits, axis=0, initial=0) if len(boxes) >= 20 else np.ones(2)
        self._reach = tuple(reach.tolist()) if 0 < reach.max() < 0.6 else None
        corners = [boxes[:, :2].clip(min=0), np.minimum(boxes[:, :2] + boxes[:, 2:], limits)]
        self.labels, self.boxes = labels[order], np.concatenate(corners, axis=1).astype(np.float32)

    def count(self, split: str = "val") -> SplitCounts:
        """Count the boxes of each class, and compare the images' sizes with the json's, see ``SeededDataset``."""
        rows = range(len(self)) if split != "train" else even_sample(len(self))
        exif_notes = check_headers([self._annotation(row) for row in rows], self.exif, skip_damaged=split == "train")
        names = self.metainfo["classes"]
        per_class = dict(zip(names, np.bincount(self.labels, minlength=len(names)).tolist(), strict=True))
        empty = int((np.diff(self.starts) == 0).sum())
        notes = [f"images without boxes: {empty:,}"] if empty and len(self.labels) else []
        if self._past:
            notes.append(f"boxes that reach past their image, clipped in training: {self._past:,}")
        if self._repeated:
            notes.append(f"boxes that repeat another one exactly (same image, class and corners): {self._repeated:,}")
        if self._reach:
            notes.append(
                "all boxes lie in the upper left {:.0%} x {:.0%} of their images: are they in percent, or of "
                "images of another size?".format(*self._reach)
            )
        if self._crowd_classes:
            notes.append(
                f"more crowds than objects: {', '.join(self._crowd_classes[:12])}; crowds='objects' in the "
                "data set of the config reads crowds as objects"
            )
        if split != "train" and not len(self.labels):
            effect = "AP stays near 0" if any(self._objects.values()) else "no AP can be computed"
            notes.append(f"{effect}: {self._no_box()}")
        fault = self._astray()
        if fault and split != "train":
            notes.append(fault)
        if not len(self.labels):
            fault = f"nothing to learn in {self.metainfo['ann_file']}: {self._no_box()}"
        return SplitCounts(
            len(self),
            "boxes",
            per_class,
            self._dropped,
            self._untrained,
            (*notes, *self._notes, *exif_notes),
            fault,
        )

    def _astray(self) -> str | None:
        """Describe the fault where most boxes lie where nothing is."""
        outside = self._untrained.get("outside of the image", 0)
        if 2 * outside <= self._drawn:
            return None
        return (
            f"{outside:,} of {self._drawn:,} boxes in {self.metainfo['ann_file']} lie outside of their images: are "
            "they of images of another size, or in another order? Correct them, or box_format in the data set of "
            "the config"
        )

    def _no_box(self) -> str:
        """Name the likely cause of no box."""
        if not self._annotated:
            return "it has no list 'annotations'"
        if self._all_crowds:
            return (
                "all annotations are crowds (iscrowd 1), as CVAT exports masks; set crowds='objects' in the data "
                "set of the config to read them as objects"
            )
        lost = ", ".join(f"{count:,} {why}" for why, count in {**self._dropped, **self._untrained}.items())
        return f"no box is left ({lost})" if lost else "it has no boxes"

    def _annotation(self, row: int) -> Annotated:
        size = tuple(self.sizes[row].tolist()) if self._sized[row] else (0, 0)
        objects = bool(self.starts[row + 1] > self.starts[row])
        return Annotated(str(self.image_dir / self.file_names[row]), size, objects)

    def align_classes(self, classes: Sequence[str]) -> None:
        """Take the model's classes, see ``SeededDataset``."""
        unknown = [name for name, count in self._objects.items() if count and name not in classes]
        if unknown:
            raise UserError(_unknown_class(unknown[0], self._objects[unknown[0]], classes, self.metainfo["ann_file"]))
        position = {name: label for label, name in enumerate(classes)}
        moved = np.array([position.get(name, -1) for name in self.metainfo["classes"]], np.int64)
        self.labels = moved[self.labels] if len(self.labels) else self.labels
        ids = {name: self._spare + number for number, name in enumerate(classes)} | self._chosen
        self.metainfo.update(classes=tuple(classes), category_ids=tuple(ids[name] for name in classes))

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, *input_size], uint8 or float32, and a ``DetSample`` with boxes in input pixels."""
        image = self.read(index)
        rows = slice(self.starts[index], self.starts[index + 1])
        sample = dict(image=image, boxes=self.boxes[rows], labels=self.labels[rows])
        if seed is not None:
            sample = self.augment(seed, **sample)
        else:
            sample["image"] = image.astype(np.float32) if self.float_resize else image
            sample = resize_sample(sample, self.input_size)
        data_sample = DetSample(
            metainfo=dict(
                img_id=self.image_ids[index : index + 1].tolist()[0],
                img_path=str(self.image_dir / self.file_names[index]),
                ori_size=image.shape[:2],
                input_size=self.input_size,
            )
        )
        boxes, labels = (torch.from_numpy(sample[field]) for field in ("boxes", "labels"))
        data_sample.gt = InstanceData(boxes=boxes, labels=labels)
        pixels = torch.from_numpy(np.ascontiguousarray(sample["image"]))
        return dict(inputs=pixels.permute(2, 0, 1), data_samples=data_sample)

    def image_paths(self) -> list[str]:
        """Return the path of each image, by index."""
        return [f"{self.image_dir}/{name}" for name in self.file_names.tolist()]

    def read(self, index: int) -> np.ndarray:
        """Read one image as [H, W, 3] uint8 RGB, at its own size, turned or not as the option ``exif`` says.

        Raises:
            OSError: it can't be read.
            UserError: its size is not the one that the json gives.
        """
        annotation = self._annotation(index)
        image = read_image(annotation.path, apply_exif=self.exif == "apply")
        if annotation.size not in ((0, 0), image.shape[:2]):
            fault = size_fault(annotation, read_header(annotation.path), self.exif)
            raise UserError(fault or f"{annotation.path}: its pixels do not have the size that its header says")
        return image


def untrained_reasons(table: CocoTable, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return reason -> [M] bool, the boxes that training leaves out and COCO's evaluation keeps; each box once.

    Args:
        sizes: [M, 2] (height, width) of each box's image, 0 where unknown.
    """
    low, extent = table.boxes[:, :2], table.boxes[:, 2:]
    limits = np.where(sizes > 0, sizes, np.inf)[:, ::-1]
    visible = np.minimum(low + extent, limits) - low.clip(min=0)
    reasons = {
        "marked as crowd": table.crowds,
        "of zero size": (extent == 0).any(axis=1),
        "under one pixel": (extent < 1).any(axis=1),
        "outside of the image": (visible < 1).any(axis=1),
    }
    taken = np.zeros(len(extent), bool)
    for why, mask in reasons.items():
        reasons[why], taken = mask & ~taken, taken | mask
    return reasons


def count_repeated(table: CocoTable) -> int:
    """Count the boxes that another annotation has too: same image, category and numbers."""
    rows = np.column_stack([table.image_rows, table.category_rows, table.crowds, table.boxes])
    rows = rows[np.lexsort(rows.T)]
    return int((rows[1:] == rows[:-1]).all(axis=1).sum())


def resize_sample(sample: dict[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Resize ``image`` to (height, width) and move ``boxes`` [G, 4] along."""
    height, width = sample["image"].shape[:2]
    scale = np.array([size[1] / width, size[0] / height] * 2, np.float32)
    return dict(image=resize_image(sample["image"], size), boxes=sample["boxes"] * scale, labels=sample["labels"])


def choose_categories(table: CocoTable, classes: Sequence[str] | int | None) -> dict[str, Any]:
    """Map class name -> category id, in the order of the labels.

    Args:
        classes: as of ``CocoDataset``.
    Raises:
        UserError: a name is not in the json, or an id is past the number.
    """
    ids = dict(zip(table.names, table.category_ids, strict=True))
    if classes is None:
        return ids
    if isinstance(classes, int):
        return _every_id(ids, classes, table.path)
    if len(set(classes)) < len(classes):
        raise UserError(f"classes={list(classes)} in the config: each class must be there once")
    unknown = [name for name in classes if name not in ids]
    if unknown and ids:
        raise UserError(f"class {unknown[0]!r} in the config is not in {table.path}; its classes are: {', '.join(ids)}")
    return {name: ids.get(name, number) for number, name in enumerate(classes, start=1)}


def _every_id(ids: Mapping[str, Any], last: int, path: Path) -> dict[str, int]:
    names = {id_: name for name, id_ in ids.items()}
    wrong = [id_ for id_ in names if isinstance(id_, str) or not 1 <= id_ <= last]
    if wrong:
        first, *_, final = [*names, *names]
        raise UserError(f"classes={last} in the config: {path} has the category ids {first} to {final}")
    return {names.get(id_, f"N/A {id_}"): id_ for id_ in range(1, last + 1)}


def _pack_ids(ids: list) -> np.ndarray:
    """Keep ids as they are, in one block of memory where they are of one kind."""
    packed = np.array(ids) if len(set(map(type, ids))) == 1 else np.array(ids, object)
    return packed if packed.tolist() == ids else np.array(ids, object)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _unknown_class(name: str, count: int, classes: Sequence[str], path: str) -> str:
    twin = {_plain(known): known for known in classes}.get(_plain(name))
    what = f"{name!r} ({count:,} boxes)"
    if twin is not None:
        return (
            f"{path}: the class {what} differs from the model's {twin!r} only in case, spaces or "
            "Unicode form; rename it there"
        )
    near = difflib.get_close_matches(name, classes, 3)
    listed = f"near names are {', '.join(map(repr, near))}" if near else f"it has {', '.join(classes[:12])}"
    return (
        f"{path}: the model has no class {what}; {listed}. Correct the name, or leave the class out with "
        "classes=[...] in the data set of the config"
    )
