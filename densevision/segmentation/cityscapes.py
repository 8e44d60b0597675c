"""Data sets in the folders of Cityscapes, with label-id images."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData

from densevision.data.augment import Augment
from densevision.data.check import SplitCounts
from densevision.data.dataset import SeededDataset
from densevision.data.paths import resolve_data_root
from densevision.data.samples import SegSample
from densevision.data.sizes import EXIF, describe_size, even_sample
from densevision.errors import UserError
from densevision.images import read_image
from densevision.registry import DATASETS
from densevision.segmentation.classes import UNEXPECTED, align, class_info, id_lookup
from densevision.segmentation.faults import evaluation_fault, training_fault, unexpected_ids
from densevision.segmentation.files import find_images, find_labels
from densevision.segmentation.headers import Headers, read_headers
from densevision.segmentation.id_counts import IdCounts
from densevision.segmentation.label_files import read_label_ids
from densevision.segmentation.pixels import Pixels, Rules

SAMPLED = 200  # label files whose pixels are counted, evenly over the split

__all__ = ["CityscapesDataset", "class_info", "read_label_ids"]


@DATASETS.register_module()
class CityscapesDataset(SeededDataset):
    """Images ``leftImg8bit/<split>/<city>/*`` with labels ``gtFine/<split>/<city>/*``.

    Label ids become class indices 0..K-1 in memory; every other id becomes 255, ignored.

    Args:
        data_root: folder of ``leftImg8bit`` and ``gtFine``; relative to ``$DENSEVISION_DATA``.
        split: name of the split's folder. ``"test"`` may lack labels.
        classes: names of the Cityscapes table in the order of the labels (default: its 19 evaluated classes), or
            name -> label id for other ids.
        image_suffix: the end of image names, case-insensitive.
        label_suffix: the end of label names that replaces it, case-insensitive.
        transforms: albumentations transforms for training, applied to image and label map.
        max_unnamed: largest share of the pixels, 0..1, of one id without a class; more is considered a mistake.
        may_lack: classes of ``classes=dict(...)`` that may have no pixels, or "all".
        exif: "apply" or "ignore" the rotation of an image's EXIF tag; label files are never rotated.
    Attributes:
        metainfo: ``classes``, ``palette`` (RGB) and ``label_ids``, all in class order.
        images: path of each image, by index.
        labels: path of each label file, by index; empty without labels.
        lookup: [256] uint8, label id -> class index, 255 if ignored.
        id_counts: pixels per id of the label files.
    Raises:
        UserError: the folder is missing or has no image, an image has no label file, a class name is unknown, or a
            label file is not a map of ids or does not fit its image.
    """

    def __init__(
        self,
        data_root: str,
        split: str,
        classes: Sequence[str] | Mapping[str, int] | None = None,
        image_suffix: str = "_leftImg8bit.png",
        label_suffix: str = "_gtFine_labelIds.png",
        transforms: Sequence[dict[str, Any]] = (),
        *,
        max_unnamed: float = 0.2,
        may_lack: Sequence[str] | str = (),
        exif: str = "apply",
    ):
        root = resolve_data_root(data_root)
        self.metainfo = class_info(classes)
        id_of = dict(zip(self.metainfo["classes"], self.metainfo["label_ids"], strict=True))
        self._rules = Rules(id_of, isinstance(classes, Mapping), max_unnamed, may_lack)
        if exif not in EXIF:
            raise UserError(f"exif is {exif!r}; it is 'apply' or 'ignore'")
        self.exif = exif
        self._image_folder, self._label_folder = root / "leftImg8bit" / split, root / "gtFine" / split
        self.images, self._notes = find_images(self._image_folder, image_suffix)
        self.labels = np.array([])
        if split != "test" or self._label_folder.is_dir():
            self.labels, notes = find_labels(self.images, self._label_folder, image_suffix, label_suffix)
            self._notes += notes
        self.lookup = id_lookup(self.metainfo["label_ids"], own_ids=self._rules.own_ids)
        self.id_counts = IdCounts(self.labels)
        self._sizes: set[tuple[int, int]] = set()  # of the images, once counted
        self._augment = Augment(transforms, boxes=False)
        super().__init__(len(self.images))
        if len(self.labels):
            with contextlib.suppress(OSError):  # reported by ``count``
                self.read_labels(0)  # finds a wrong encoding before the training starts

    def count(self, split: str = "val") -> SplitCounts:
        """Count the pixels per class and per id without a class, in an even sample of the label files.

        The headers of all files are read. See ``SeededDataset``.
        """
        headers = read_headers(self.images, self.labels, self.exif)
        self._sizes = headers.sizes
        if split == "train":
            self._augment.check(headers.sizes)
        counted = SplitCounts(len(self), "pixels", dict.fromkeys(self.metainfo["classes"], 0))
        if not len(self.labels):
            return replace(
                counted,
                notes=(*self._notes, *headers.notes(), "no label files: predictions only, no metrics"),
                training_fault=f"{self._label_folder} does not exist, and training needs label files",
                evaluation_fault=headers.damage_fault(),
            )
        pixels = self._read_pixels(headers, exact=split == "train")
        misfit, damage = headers.size_fault(), headers.damage_fault()
        all_damaged = damage if not pixels.total or len(headers.damaged) == len(self) else None
        may_be_unlabeled = self._image_folder.name == "test"
        return replace(
            counted,
            per_class=dict(zip(counted.per_class, pixels.per_class(len(counted.per_class)), strict=True)),
            notes=(*self._notes, *headers.notes(), *self.id_counts.notes(), *pixels.notes()),
            training_fault=all_damaged or misfit or training_fault(pixels),
            evaluation_fault=damage or misfit or evaluation_fault(pixels, may_be_unlabeled),
        )

    def _read_pixels(self, headers: Headers, *, exact: bool) -> Pixels:
        """Read a sample, and if ``exact`` more files until each required class has occurred."""
        indices = {*even_sample(len(self), SAMPLED), *headers.kinds.values()}
        pixels = Pixels(self.id_counts.read(sorted(indices)), self.lookup, self._rules)
        if exact and pixels.needed:
            by_file = self.id_counts.read_until(self._rules.id_of[name] for name in pixels.needed)
            pixels = Pixels(by_file, self.lookup, self._rules)
        headers.damaged.update(self.id_counts.damaged)
        if pixels.unexpected:
            raise UserError(unexpected_ids(self.id_counts.first_with(pixels.unexpected[0]), pixels.unexpected))
        return pixels

    def check_batch(self, batch_size: int | None) -> None:
        """Check that images without a crop fit into batches of a loader; call it after ``count``.

        Raises:
            UserError: the images differ in size, and a batch has more than one.
        """
        if (batch_size or 1) > 1 and len(self._sizes) > 1:
            some = ", ".join(describe_size(size) for size in sorted(self._sizes)[:3])
            more = ", ..." if len(self._sizes) > 3 else ""
            raise UserError(
                f"{self._image_folder} has images of {len(self._sizes)} sizes ({some}{more}), which batches of "
                f"{batch_size} can't contain; set batch_size=1 in the loader of the config"
            )

    def align_classes(self, classes: Sequence[str]) -> None:
        """Map the labels to the model's classes, see ``SeededDataset``; a class unknown here has no pixels."""
        if tuple(classes) != self.metainfo["classes"]:
            info, self.lookup = align(self.metainfo, self.lookup, classes, self._occurs, str(self._label_folder))
            self.metainfo.update(info)  # evaluators keep a reference to the dict

    def _occurs(self, label_id: int) -> bool:
        return len(self.labels) > 0 and bool(self.id_counts.read(range(len(self)))[:, label_id].any())

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, H, W] uint8 RGB and a SegSample; augmented by ``seed`` unless it is None."""
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
            arrays = self._augment(seed, **arrays)
        inputs = torch.from_numpy(np.ascontiguousarray(arrays["image"])).permute(2, 0, 1)
        metainfo = dict(img_id=index, img_path=str(self.images[index]), ori_size=ori_size)
        sample = SegSample(metainfo=metainfo | dict(input_size=tuple(inputs.shape[1:])))
        if "mask" in arrays:
            sample.gt = PixelData(labels=torch.from_numpy(arrays["mask"].copy())[None])
        return dict(inputs=inputs, data_samples=sample)

    def _read_mask(self, index: int, *, training: bool) -> np.ndarray:
        """Read one label file; in training an unexpected one is skipped, as a damaged image is."""
        try:
            return self.read_labels(index)
        except UserError as error:
            if training:
                raise OSError(str(error)) from error
            raise

    def image_paths(self) -> list[str]:
        """Return the path of each image, by index."""
        return self.images.tolist()

    def read(self, index: int) -> np.ndarray:
        """Read one image as [H, W, 3] uint8 RGB, rotated by its EXIF tag unless ``exif`` is "ignore".

        Raises:
            OSError: the image can't be read.
        """
        return read_image(self.images[index], apply_exif=self.exif == "apply")

    def read_labels(self, index: int) -> np.ndarray:
        """Read one label file as class indices [H, W] uint8, 255 if ignored.

        Raises:
            OSError: the file is damaged.
            UserError: the file is not a map of known ids.
        """
        path = self.labels[index]
        ids = read_label_ids(path)
        labels = self.lookup[ids]
        if (labels == UNEXPECTED).any():
            raise UserError(unexpected_ids(path, np.unique(ids[labels == UNEXPECTED]).tolist()))
        return labels
