"""The base class of segmentation data sets: images with label maps, counted and checked."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData

from densevision.data.augment import Augment
from densevision.data.check import SplitCounts
from densevision.data.dataset import OF_THE_MACHINE, SeededDataset
from densevision.data.decoded import DecodedCache
from densevision.data.label_files import LabelHeader
from densevision.data.samples import SegSample
from densevision.data.sizes import describe_size, even_sample
from densevision.errors import UserError
from densevision.images import read_image
from densevision.segmentation.classes import UNEXPECTED, align, id_lookup
from densevision.segmentation.faults import evaluation_fault, training_fault, unexpected_ids
from densevision.segmentation.headers import Headers, read_headers
from densevision.segmentation.id_counts import IdCounts
from densevision.segmentation.label_source import LabelSource
from densevision.segmentation.pixels import Pixels, Rules
from densevision.segmentation.transforms import OTHER, OtherImage, check_names
from densevision.structures import check_range

_OTHER_IMAGE = 1  # added to a sample's seed: the draw of another image is independent of the augmentation
SAMPLED = 200  # label files whose pixels are counted, evenly over the split


def _blank(size: tuple[int, int]) -> dict[str, Any]:
    """Return a sample of (height, width), for trying transforms: a black image, class 0, and no other image."""
    return {"image": np.zeros((*size, 3), np.uint8), "mask": np.zeros(size, np.uint8), OTHER: lambda: None}


class Early:
    """What the first part of a training sees, such as crops at half the size, a quarter of the pixels.

    Args:
        transforms: in place of the data set's.
        until: share of the training, above 0 to 1.
    """

    def __init__(self, transforms: Sequence[dict[str, Any]], until: float):
        check_range("early.until in the data set", until, low=0, high=1, with_low=False)
        self.augment, self.until = Augment(transforms, boxes=False), until

    @staticmethod
    def check_values(place: str, values: Mapping[str, object]) -> None:
        """Check that both arguments are there.

        Args:
            place: dotted key, for the message.
        Raises:
            UserError: one is missing.
        """
        if missing := {"transforms", "until"} - values.keys():
            raise UserError(f"{place}.{sorted(missing)[0]} is missing: early needs until and transforms")


@dataclass(frozen=True)
class Pairs:
    """The images of a split and their label maps.

    Attributes:
        images: path of each image.
        labels: their label maps; without paths if the split has no labels.
        notes: on files that are not used.
        image_place: folder of the images, for messages.
        label_place: folder or file of the labels, for messages.
        may_be_unlabeled: accept labels that are all ignored, as in the test split of Cityscapes.
    """

    images: np.ndarray
    labels: LabelSource
    notes: Sequence[str]
    image_place: Path
    label_place: Path
    may_be_unlabeled: bool = False


class LabelMapDataset(SeededDataset):
    """Images with a label map each; subclasses find the pairs.

    Label ids become class indices 0..K-1 in memory; every other id becomes 255, ignored.

    Args:
        pairs: images and label maps.
        info: from ``class_info``.
        rules: the expected ids.
        transforms: albumentations transforms for training, applied to image and label map.
        exif: "apply" or "ignore" the rotation of an image's EXIF tag; label files are never rotated.
        early: arguments of ``Early``; None is the same transforms from the beginning.
        cache: keep decoded images and label files in files, see ``DecodedCache``; polygons are drawn each time.
    Attributes:
        metainfo: ``classes``, ``palette`` (RGB) and ``label_ids``, all in class order.
        images: path of each image, by index.
        labels: path of each label file, by index; empty without labels.
        lookup: [256] uint8, label id -> class index, 255 if ignored.
        id_counts: pixels per id of the label files.
    """

    reads = dict(cache=DecodedCache, early=Early)

    def __init__(
        self,
        pairs: Pairs,
        info: dict[str, Any],
        rules: Rules,
        transforms: Sequence[dict[str, Any]],
        exif: str,
        early: Mapping[str, Any] | None = None,
        cache: Mapping[str, Any] | None = None,
    ):
        self.metainfo, self._rules, self.exif = info, rules, exif
        self._pairs, self.images, self.labels = pairs, pairs.images, pairs.labels.paths
        self.lookup = id_lookup(info["label_ids"], own_ids=rules.own_ids)
        self.id_counts = IdCounts(pairs.labels)
        self._sizes: set[tuple[int, int]] = set()  # of the images, once counted
        self._augment = Augment(transforms, boxes=False)
        self._early = None if early is None else Early(**early)
        self.late_after = 1.0 if self._early is None else self._early.until
        super().__init__(len(self.images), cache)
        if len(self.labels):
            with contextlib.suppress(OSError):  # reported by ``count``
                self.read_labels(0)  # finds a wrong encoding before the training starts

    def count(self, split: str = "val") -> SplitCounts:
        """Count the pixels per class and per id without a class, in an even sample of the label files.

        The headers of all files are read. See ``SeededDataset``.
        """
        headers = read_headers(self.images, self._pairs.labels, self.exif)
        self._sizes = headers.sizes
        if split == "train":
            for augment in [self._augment] if self._early is None else [self._augment, self._early.augment]:
                check_names(augment.compose, self.metainfo["classes"])
                augment.check(headers.sizes, _blank)
        counted = SplitCounts(len(self), "pixels", dict.fromkeys(self.metainfo["classes"], 0))
        if not len(self.labels):
            return replace(
                counted,
                notes=(*self._pairs.notes, *headers.notes(), "no label files: predictions only, no metrics"),
                training_fault=f"{self._pairs.label_place} does not exist, and training needs label files",
                evaluation_fault=headers.damage_fault(),
            )
        pixels = self._read_pixels(headers, exact=split == "train")
        misfit, damage = headers.size_fault(), headers.damage_fault()
        all_damaged = damage if not pixels.total or len(headers.damaged) == len(self) else None
        return replace(
            counted,
            per_class=dict(zip(counted.per_class, pixels.per_class(len(counted.per_class)), strict=True)),
            notes=(*self._pairs.notes, *headers.notes(), *self.id_counts.notes(), *pixels.notes()),
            training_fault=all_damaged or misfit or training_fault(pixels),
            evaluation_fault=damage or misfit or evaluation_fault(pixels, self._pairs.may_be_unlabeled),
        )

    def _read_pixels(self, headers: Headers, *, exact: bool) -> Pixels:
        """Read a sample and all that is known; if ``exact``, more files until each required class has occurred."""
        indices = {*even_sample(len(self), SAMPLED), *headers.kinds.values(), *self.id_counts.known}
        pixels = Pixels(self.id_counts.read(sorted(indices)), self.lookup, self._rules)
        if exact and pixels.needed:
            by_file = self.id_counts.read_until(self._rules.id_of[name] for name in pixels.needed)
            pixels = Pixels(by_file, self.lookup, self._rules)
        if self._rules.colors and pixels.unnamed:
            worst = self.id_counts.most_with(self._rules.colors.unknown)
            pixels = replace(pixels, example=self._rules.colors.describe_unknown(worst))
        headers.damaged.update(self.id_counts.damaged)
        if pixels.unexpected:
            raise UserError(unexpected_ids(self.id_counts.first_with(pixels.unexpected[0]), pixels.unexpected))
        return pixels

    def pixels(self) -> Pixels:
        """Return the pixels of the label files read so far, see ``id_counts``."""
        return Pixels(self.id_counts.read(self.id_counts.known), self.lookup, self._rules)

    @property
    def late_growth(self) -> float:  # type: ignore[override]
        """Pixels of an image after the part of the training that ``early`` is for, by those before."""
        if self._early is None or not self._sizes:
            return 1.0
        size = min(self._sizes)
        early, late = (augment(0, **_blank(size))["mask"].size for augment in (self._early.augment, self._augment))
        return late / early

    def label_header(self, index: int) -> LabelHeader:
        """Read size and pixel format of one label file.

        Raises:
            OSError: it can't be read.
        """
        return self._pairs.labels.read_header(index)

    def check_batch(self, batch_size: int | None) -> None:
        """Check that images without a crop fit into batches of a loader; call it after ``count``.

        Raises:
            UserError: the images differ in size, and a batch has more than one.
        """
        if (batch_size or 1) > 1 and len(self._sizes) > 1:
            some = ", ".join(describe_size(size) for size in sorted(self._sizes)[:3])
            more = ", ..." if len(self._sizes) > 3 else ""
            raise UserError(
                f"{self._pairs.image_place} has images of {len(self._sizes)} sizes ({some}{more}), which batches of "
                f"{batch_size} can't contain; set batch_size=1 in the loader of the config"
            )

    def align_classes(self, classes: Sequence[str]) -> None:
        """Map the labels to the model's classes, see ``SeededDataset``; a class unknown here has no pixels."""
        if tuple(classes) != self.metainfo["classes"]:
            info, self.lookup = align(self.metainfo, self.lookup, classes, self._occurs, str(self._pairs.label_place))
            if self._rules.colors:
                color_of = dict(zip(self.metainfo["classes"], self.metainfo["palette"], strict=True))
                info["palette"] = [color_of.get(*named) for named in zip(classes, info["palette"], strict=True)]
            self.metainfo.update(info)  # evaluators keep a reference to the dict

    def _occurs(self, label_id: int) -> bool:
        return len(self.labels) > 0 and bool(self.id_counts.read(range(len(self)))[:, label_id].any())

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, H, W] uint8 RGB and a SegSample; augmented by ``seed`` unless it is None."""
        return self._load(index, seed, self._augment if self._early is None else self._early.augment)

    def load_late(self, index: int, seed: int) -> dict:
        """Load an image as ``load`` does, after the part of the training that ``early`` is for."""
        return self._load(index, seed, self._augment)

    def _load(self, index: int, seed: int | None, augment: Augment) -> dict:
        arrays = {"image": self.read(index)}
        ori_size = arrays["image"].shape[:2]
        if len(self.labels):
            arrays["mask"] = self._read_mask(index, training=seed is not None)
            if arrays["mask"].shape != ori_size:
                raise UserError(
                    f"{self.labels[index]} is {describe_size(arrays['mask'].shape)}, its image {self.images[index]} "
                    f"is {describe_size(ori_size)}; labels must have the size of their image"
                )
        if seed is not None:
            arrays = augment(seed, **arrays, **{OTHER: functools.cache(lambda: self._other(seed))})
        inputs = torch.from_numpy(np.ascontiguousarray(arrays["image"])).permute(2, 0, 1)
        metainfo = dict(img_id=index, img_path=str(self.images[index]), ori_size=ori_size)
        if seed is None:
            metainfo["result_name"] = self.result_name(index)
        sample = SegSample(metainfo=metainfo | dict(input_size=tuple(inputs.shape[1:])))
        if "mask" in arrays:
            sample.gt = PixelData(labels=torch.from_numpy(arrays["mask"].copy())[None])
        return dict(inputs=inputs, data_samples=sample)

    def _other(self, seed: int) -> OtherImage | None:
        """Draw another image, for transforms that read one; None if it is damaged: its own turn reports it."""
        index = int(np.random.default_rng([seed, _OTHER_IMAGE]).integers(len(self)))
        try:
            image, mask = self.read(index), self._read_mask(index, training=True)
        except OSError as error:
            if error.errno in OF_THE_MACHINE:
                raise
            return None
        return OtherImage(image, mask, self.metainfo["classes"]) if mask.shape == image.shape[:2] else None

    def _read_mask(self, index: int, *, training: bool) -> np.ndarray:
        """Read one label file; in training an unexpected one is skipped, as a damaged image is."""
        try:
            return self.read_labels(index)
        except UserError as error:
            if training:
                raise OSError(str(error)) from error
            raise

    def result_name(self, index: int) -> str:
        """Return the path of one image in the folder of images, with slashes."""
        return Path(self.images[index]).relative_to(self._pairs.image_place).as_posix()

    def image_paths(self) -> list[str]:
        """Return the path of each image, by index."""
        return self.images.tolist()

    def read(self, index: int) -> np.ndarray:
        """Read one image as [H, W, 3] uint8 RGB, rotated by its EXIF tag unless ``exif`` is "ignore".

        Raises:
            OSError: the image can't be read.
        """
        path = self.images[index]
        return self.decoded(path, self.exif, lambda: read_image(path, apply_exif=self.exif == "apply"))

    def read_labels(self, index: int) -> np.ndarray:
        """Read one label file as class indices [H, W] uint8, 255 if ignored.

        Raises:
            OSError: the file is damaged.
            UserError: the file is not a map of known ids.
        """
        source = self._pairs.labels
        ids = self.decoded(source.paths[index], source.recipe, lambda: source.read_ids(index))
        labels = cv2.LUT(ids, self.lookup)
        if (labels == UNEXPECTED).any():
            raise UserError(unexpected_ids(self.labels[index], np.unique(ids[labels == UNEXPECTED]).tolist()))
        return labels
