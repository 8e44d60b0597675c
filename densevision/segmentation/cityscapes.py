"""Data sets in the folders of Cityscapes, with label-id images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densevision.data.label_files import read_label_ids
from densevision.data.paths import resolve_data_root
from densevision.data.sizes import check_exif
from densevision.errors import UserError
from densevision.registry import DATASETS
from densevision.segmentation.classes import class_info
from densevision.segmentation.dataset import LabelMapDataset, Pairs
from densevision.segmentation.files import find_images, find_labels
from densevision.segmentation.label_source import LabelImages
from densevision.segmentation.pixels import Rules

__all__ = ["CityscapesDataset", "class_info", "read_label_ids"]


@DATASETS.register_module()
class CityscapesDataset(LabelMapDataset):
    """Images ``leftImg8bit/<split>/<city>/*`` with labels ``gtFine/<split>/<city>/*``.

    See ``LabelMapDataset``.

    Args:
        data_root: folder of ``leftImg8bit`` and ``gtFine``; relative to ``$DENSEVISION_DATA``.
        split: name of the split's folder, or names of several that are used as one, ``["train", "val"]``. ``"test"``
            may lack labels.
        classes: names of the Cityscapes table in the order of the labels (default: its 19 evaluated classes), or
            name -> label id for other ids.
        image_suffix: the end of image names, case-insensitive.
        label_suffix: the end of label names that replaces it, case-insensitive.
        transforms: albumentations transforms for training, applied to image and label map.
        max_unnamed: largest share of the pixels, 0..1, of one id without a class; more is considered a mistake.
        may_lack: classes of ``classes=dict(...)`` that may have no pixels, or "all".
        exif: "apply" or "ignore" the rotation of an image's EXIF tag; label files are never rotated.
        early: other transforms for the first part of a training, ``dict(until=0.4, transforms=[...])``.
        cache: keep decoded images and label files in files, ``dict(folder="/dev/shm/NAME", gigabytes=4)``; see
            ``DecodedCache``.
    Raises:
        UserError: a folder is missing or has no image, an image has no label file, a class name is unknown, a label
            file is not a map of ids or does not fit its image, or some of several splits have no labels.
    """

    def __init__(
        self,
        data_root: str,
        split: str | Sequence[str],
        classes: Sequence[str] | Mapping[str, int] | None = None,
        image_suffix: str = "_leftImg8bit.png",
        label_suffix: str = "_gtFine_labelIds.png",
        transforms: Sequence[dict[str, Any]] = (),
        *,
        max_unnamed: float = 0.2,
        may_lack: Sequence[str] | str = (),
        exif: str = "apply",
        early: Mapping[str, Any] | None = None,
        cache: Mapping[str, Any] | None = None,
    ):
        root = resolve_data_root(data_root)
        info = class_info(classes)
        id_of = dict(zip(info["classes"], info["label_ids"], strict=True))
        rules = Rules(id_of, isinstance(classes, Mapping), max_unnamed, may_lack)
        check_exif(exif)
        names = [split] if isinstance(split, str) else _several(split)
        pairs = _join(root, [_find_pairs(root, name, image_suffix, label_suffix) for name in names])
        super().__init__(pairs, info, rules, transforms, exif, early, cache)


def _several(split: object) -> Sequence[str]:
    names = list(split) if isinstance(split, list | tuple) else []
    named = names and all(isinstance(name, str) for name in names)
    if not named or len({Path(name) for name in names}) < len(names):
        raise UserError(f"split is {split!r:.80}; give the name of a folder, or a list of different ones")
    return names


def _join(root: Path, parts: Sequence[Pairs]) -> Pairs:
    """Use several splits as one."""
    if len(parts) == 1:
        return parts[0]
    unlabeled = [str(part.label_place) for part in parts if not len(part.labels.paths)]
    if unlabeled:
        raise UserError(f"{unlabeled[0]} does not exist; leave this split out of the list, which needs labels")
    images, labels = np.concatenate([part.images for part in parts]), [part.labels.paths for part in parts]
    notes = [note for part in parts for note in part.notes]
    return Pairs(images, LabelImages(np.concatenate(labels)), notes, root / "leftImg8bit", root / "gtFine")


def _find_pairs(root: Path, split: str, image_suffix: str, label_suffix: str) -> Pairs:
    image_folder, label_folder = root / "leftImg8bit" / split, root / "gtFine" / split
    images, notes = find_images(image_folder, image_suffix)
    labels = np.array([])
    if split != "test" or label_folder.is_dir():
        labels, more = find_labels(images, label_folder, image_suffix, label_suffix)
        notes += more
    unlabeled = image_folder.name == "test"
    return Pairs(images, LabelImages(labels), notes, image_folder, label_folder, may_be_unlabeled=unlabeled)
