"""Data sets in COCO's json format."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from densevision.data.augment import Augment, Resize
from densevision.data.check import SplitCounts
from densevision.data.dataset import SeededDataset
from densevision.data.decoded import DecodedCache
from densevision.data.files import find_files
from densevision.data.paths import resolve_data_root
from densevision.data.reduced import read_reduced
from densevision.data.samples import DetSample
from densevision.data.sizes import Annotated, check_headers, even_sample, size_fault
from densevision.detection.coco_classes import choose_categories, unknown_class
from densevision.detection.coco_counts import count_annotations, untrained_reasons
from densevision.detection.coco_json import CocoTable
from densevision.detection.coco_reader import CocoReader
from densevision.detection.mixing import Mixing
from densevision.detection.other_images import OtherImages, Sample
from densevision.errors import UserError
from densevision.images import read_header, read_image, resize_image
from densevision.registry import DATASETS
from densevision.structures import check_range


@DATASETS.register_module()
class CocoDataset(SeededDataset):
    """Images with boxes, resized to one size.

    Args:
        data_root: folder, see ``resolve_data_root``.
        ann_file: path of the json, relative to ``data_root``.
        image_dir: folder of the json's ``file_name`` entries, relative to ``data_root``.
        input_size: (height, width) that every image is resized to.
        classes: names in the order of the labels; None for all categories of the json by ascending id; a number for
            the ids from 1 to it, with names like "N/A 12" where the json lacks one (the COCO releases have 90).
        transforms: albumentations for training; the resize follows them.
        float_resize: evaluate resized images as float32, not rounded to bytes, as torchvision does.
        box_format, crowds, exif, format: how annotations and images are read where they differ from COCO's, see
            ``CocoReader``. ``ann_file`` is then that format's file or folder.
        image_list: text file that names the images in use, one per line, relative to ``data_root``; None uses all.
        mix: what combines images, before ``transforms``: ``[dict(type=BoxMosaic, p=0.5)]``, see ``Mixing``.
        mix_until: share of the training after which ``mix`` is off, in 0..1.
        min_decoded: decode a training JPEG at a half, a quarter or an eighth where each side keeps this many times
            the network's: 1 if whole images are trained on, more for crops of them; None always decodes all.
        cache: keep decoded images in files, ``dict(folder="/dev/shm/NAME", gigabytes=4)``, see ``DecodedCache``.
    Images without objects are kept. Crowds, and boxes under one pixel or outside of their image, are ignored in
    training and kept for evaluation, as COCO's tools do.
    Attributes:
        metainfo: ``classes`` and, in their order, ``category_ids``, with new ids for classes that the json lacks;
            ``ann_file``; ``reader``, the fields of the ``CocoReader``.
    Raises:
        UserError: folder, json, image file or class name does not exist, or the json contradicts itself.
    """

    reads = dict(cache=DecodedCache)

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
        format: str = "coco",
        image_list: str | None = None,
        mix: Sequence[dict] = (),
        mix_until: float = 0.85,
        min_decoded: float | None = None,
        cache: Mapping[str, Any] | None = None,
    ):
        root = resolve_data_root(data_root)
        self.image_dir, self.exif = root / image_dir, exif
        self._folder = str(self.image_dir)
        listed_in = None if image_list is None else str(root / image_list)
        reader = CocoReader(str(root / ann_file), str(self.image_dir), box_format, crowds, exif, format, listed_in)
        table = reader.read()
        if not table.image_ids:
            raise UserError(f"{table.path}: the list of images is empty")
        found, self._notes = find_files(self.image_dir, table.file_names, table.path)
        self._notes += table.notes
        self.file_names, self.image_ids = np.array(found), _pack_ids(table.image_ids)
        self._chosen = choose_categories(table, classes)
        taken = [id_ for id_ in (*table.category_ids, *self._chosen.values()) if not isinstance(id_, str)]
        self._spare = int(max(taken, default=0)) + 1
        self.metainfo: dict[str, Any] = dict(
            classes=tuple(self._chosen),
            category_ids=tuple(self._chosen.values()),
            ann_file=str(table.path),
            reader=dataclasses.asdict(reader),
        )
        height, width = input_size
        self.input_size, self.float_resize = (height, width), float_resize
        self._pack(table)
        super().__init__(len(table.image_ids), cache)
        self.augment = Augment([*transforms, Resize(*self.input_size)], boxes=True)
        check_range("mix_until in the data set", mix_until, low=0, high=1)
        self.min_decoded = min_decoded
        if min_decoded is not None:
            check_range("min_decoded in the data set", min_decoded, low=1, high=64)
        self.mixing = Mixing(mix, self.metainfo["classes"])
        self.late_after = mix_until if self.mixing.mixers else 1.0
        self._others: OtherImages | None = None

    def _pack(self, table: CocoTable) -> None:
        """Store what is trained on in flat arrays: forked loader workers share them without copies."""
        label_of = {id_: label for label, id_ in enumerate(self._chosen.values())}
        labels = np.array([label_of.get(id_, -1) for id_ in table.category_ids], np.int64)
        labels = labels[table.category_rows] if len(labels) else np.zeros(0, np.int64)
        self.sizes, self._sized = table.sizes, table.sized
        sizes = table.sizes[table.image_rows]
        reasons = untrained_reasons(table, sizes)
        self._counts = count_annotations(table, labels, tuple(self._chosen), reasons)
        kept = (labels >= 0) & ~np.any(list(reasons.values()), axis=0)
        order = np.flatnonzero(kept)[np.argsort(table.image_rows[kept], kind="stable")]
        self.starts = np.searchsorted(table.image_rows[order], np.arange(len(table.image_ids) + 1))
        boxes, limits = table.boxes[order], np.where(sizes > 0, sizes, np.inf)[order, ::-1]
        corners = [boxes[:, :2].clip(min=0), np.minimum(boxes[:, :2] + boxes[:, 2:], limits)]
        self.labels, self.boxes = labels[order], np.concatenate(corners, axis=1).astype(np.float32)

    def count(self, split: str = "val") -> SplitCounts:
        """Count the boxes of each class, and compare the sizes of images and json, see ``SeededDataset``."""
        rows = range(len(self)) if split != "train" else even_sample(len(self))
        exif_notes = check_headers([self.annotated(row) for row in rows], self.exif, skip_damaged=split == "train")
        return self.count_boxes(split, exif_notes)

    def count_boxes(self, split: str, notes_on_files: Sequence[str] = ()) -> SplitCounts:
        """Count the boxes of each class as ``count`` does, without reading an image file.

        Args:
            notes_on_files: one line each, which become the last notes.
        """
        names, counts = self.metainfo["classes"], self._counts
        per_class = dict(zip(names, np.bincount(self.labels, minlength=len(names)).tolist(), strict=True))
        empty = int((np.diff(self.starts) == 0).sum())
        notes = [f"images without boxes: {empty:,}"] if empty and len(self.labels) else []
        notes += counts.notes
        if split != "train" and not len(self.labels):
            effect = "AP stays near 0" if any(counts.objects.values()) else "no AP can be computed"
            notes.append(f"{effect}: {counts.no_box_cause}")
        fault = counts.outside_fault
        if fault and split != "train":
            notes.append(fault)
        if not len(self.labels):
            fault = f"nothing to learn in {self.metainfo['ann_file']}: {counts.no_box_cause}"
        notes += [*self._notes, *notes_on_files]
        return SplitCounts(len(self), "boxes", per_class, counts.dropped, counts.untrained, tuple(notes), fault)

    def annotated(self, row: int) -> Annotated:
        """Describe one image as its annotations do."""
        height, width = self.sizes[row].tolist() if self._sized[row] else (0, 0)
        objects = bool(self.starts[row + 1] > self.starts[row])
        return Annotated(self.path(row), (height, width), objects)

    def path(self, row: int) -> str:
        """Return the path of one image."""
        return os.path.join(self._folder, self.file_names[row])

    def align_classes(self, classes: Sequence[str]) -> None:
        """Map the labels to the model's classes, see ``SeededDataset``."""
        objects = self._counts.objects
        unknown = [name for name, count in objects.items() if count and name not in classes]
        if unknown:
            raise UserError(unknown_class(unknown[0], objects[unknown[0]], classes, self.metainfo["ann_file"]))
        position = {name: label for label, name in enumerate(classes)}
        moved = np.array([position.get(name, -1) for name in self.metainfo["classes"]], np.int64)
        self.labels = moved[self.labels] if len(self.labels) else self.labels
        self._others = None
        ids = {name: self._spare + number for number, name in enumerate(classes)} | self._chosen
        self.metainfo.update(classes=tuple(classes), category_ids=tuple(ids[name] for name in classes))

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, *input_size], uint8 or float32, and a ``DetSample`` with boxes in input pixels."""
        return self._load(index, seed, mixes=True)

    def load_late(self, index: int, seed: int) -> dict:
        """Load an image as ``load`` does, without ``mix``."""
        return self._load(index, seed, mixes=False)

    def read_sample(self, index: int, *, reduce: bool = False) -> Sample:
        """Read one image with its boxes, at its own size, or reduced as ``min_decoded`` allows."""
        rows = slice(self.starts[index], self.starts[index + 1])
        image, boxes = self.read(index, reduce=reduce), self.boxes[rows]
        if reduce and self._sized[index] and self.sizes[index].tolist() != list(image.shape[:2]):
            boxes = boxes * np.tile(np.divide(image.shape[:2], self.sizes[index])[::-1], 2).astype(np.float32)
        return dict(image=image, boxes=boxes, labels=self.labels[rows])

    def _load(self, index: int, seed: int | None, *, mixes: bool) -> dict:
        sample = self.read_sample(index, reduce=seed is not None and self.min_decoded is not None)
        image = sample["image"]
        if seed is not None:
            if mixes and self.mixing.mixers:
                sample = self.mixing(seed, sample, self._other_images())
            sample = self.augment(seed, **sample)
        else:
            sample["image"] = image.astype(np.float32) if self.float_resize else image
            sample = resize_sample(sample, self.input_size)
        data_sample = DetSample(
            metainfo=dict(
                img_id=self.image_ids[index : index + 1].tolist()[0],
                img_path=self.path(index),
                ori_size=image.shape[:2],
                input_size=self.input_size,
            )
        )
        boxes, labels = (torch.from_numpy(sample[field]) for field in ("boxes", "labels"))
        data_sample.gt = InstanceData(boxes=boxes, labels=labels)
        pixels = torch.from_numpy(np.ascontiguousarray(sample["image"]))
        return dict(inputs=pixels.permute(2, 0, 1), data_samples=data_sample)

    def _other_images(self) -> OtherImages:
        if self._others is None:
            labels = np.split(self.labels, self.starts[1:-1])
            side = 2 * max(self.input_size)  # twice the network's: crops enlarge
            self._others = OtherImages(self.read_sample, labels, self.metainfo["classes"], side, self._report)
        return self._others

    def image_paths(self) -> list[str]:
        """Return the path of each image, by index."""
        return [self.path(row) for row in range(len(self))]

    def read(self, index: int, *, reduce: bool = False) -> np.ndarray:
        """Read one image as [H, W, 3] uint8 RGB at its own size, rotated by EXIF unless ``exif`` is "ignore".

        Args:
            reduce: decode a JPEG whose size the json gives at a part of it, as ``min_decoded`` allows.
        Raises:
            OSError: the image can't be read.
            UserError: the image does not have the size that the json gives.
        """
        annotation = self.annotated(index)
        least = None
        if reduce and annotation.size != (0, 0):
            least = [(self.min_decoded or 1) * side for side in self.input_size]
        recipe = f"{self.exif} {annotation.size} {least}"
        return self.decoded(annotation.path, recipe, lambda: self._decode(annotation, least))

    def _decode(self, annotation: Annotated, least: Sequence[float] | None) -> np.ndarray:
        apply_exif = self.exif == "apply"
        if least is not None:
            image, size = read_reduced(annotation.path, least, apply_exif=apply_exif)
        else:
            image = read_image(annotation.path, apply_exif=apply_exif)
            size = image.shape[:2]
        if annotation.size not in ((0, 0), size):
            fault = size_fault(annotation, read_header(annotation.path), self.exif)
            raise UserError(fault or f"{annotation.path}: its pixels do not have the size in its header")
        return image


def resize_sample(sample: dict[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Resize ``image`` to (height, width), and ``boxes`` [G, 4] with it."""
    height, width = sample["image"].shape[:2]
    scale = np.array([size[1] / width, size[0] / height] * 2, np.float32)
    return dict(image=resize_image(sample["image"], size), boxes=sample["boxes"] * scale, labels=sample["labels"])


def _pack_ids(ids: list) -> np.ndarray:
    """Store ids unchanged, in one block of memory if they are of one type."""
    packed = np.array(ids) if len(set(map(type, ids))) == 1 else np.array(ids, object)
    return packed if packed.tolist() == ids else np.array(ids, object)
