"""Data sets of image and mask folders, in any layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densevision.data.image_list import select_images
from densevision.data.pairs import Folders, list_images, pair_files
from densevision.data.paths import resolve_data_root
from densevision.data.sizes import check_exif
from densevision.errors import UserError
from densevision.registry import DATASETS
from densevision.segmentation.classes import class_info
from densevision.segmentation.dataset import LabelMapDataset, Pairs
from densevision.segmentation.label_source import LabelImages
from densevision.segmentation.pixels import Rules

_MOST_UNLABELED = 0.5  # share of the images without a mask; more is considered a wrong folder or suffix


@DATASETS.register_module()
class MaskDataset(LabelMapDataset):
    """Images in one folder, masks in another or in the same one.

    A mask has the name of its image but for the suffix, in any case and of any image format; words such as ``image``
    and ``mask`` in the names may differ. Images without a mask are not used. See ``LabelMapDataset``.

    Args:
        data_root: folder of the data; relative to ``$DENSEVISION_DATA``.
        image_dir: folder of the images, relative to ``data_root``; its subfolders are searched too.
        label_dir: folder of the masks; None if there are none, for predictions only.
        classes: name -> id in the masks, or names for the ids 0, 1, 2, ...
        image_suffix: the end of image names, case-insensitive; "" for any image format.
        label_suffix: the end of mask names; needed if images and masks are in one folder.
        image_list: text file that names the images in use, one per line; relative to ``data_root``.
        transforms: albumentations transforms for training, applied to image and mask.
        max_unnamed: largest share of the pixels, 0..1, of one id without a class; more is considered a mistake.
        may_lack: classes that may have no pixels, or "all".
        exif: "apply" or "ignore" the rotation of an image's EXIF tag; masks are never rotated.
    Raises:
        UserError: a folder is missing or has no image, most images have no mask, or a mask is not a map of ids or
            does not fit its image.
    """

    def __init__(
        self,
        data_root: str,
        image_dir: str,
        label_dir: str | None,
        classes: Mapping[str, int] | Sequence[str],
        image_suffix: str = "",
        label_suffix: str = "",
        image_list: str | None = None,
        transforms: Sequence[dict[str, Any]] = (),
        *,
        max_unnamed: float = 0.2,
        may_lack: Sequence[str] | str = (),
        exif: str = "apply",
    ):
        root = resolve_data_root(data_root)
        info = class_info(_with_ids(classes))
        rules = Rules(dict(zip(info["classes"], info["label_ids"], strict=True)), True, max_unnamed, may_lack)
        check_exif(exif)
        folders = Folders(
            root / image_dir,
            root / (image_dir if label_dir is None else label_dir),
            image_suffix,
            label_suffix,
            None if image_list is None else root / image_list,
        )
        pairs = _find_pairs(folders) if label_dir is not None else _images_only(folders)
        super().__init__(pairs, info, rules, transforms, exif)


def _with_ids(classes: Mapping[str, int] | Sequence[str]) -> Mapping[str, int] | Sequence[str]:
    """Number a list of names."""
    names = isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes)
    return {name: id_ for id_, name in enumerate(classes)} if names and len(set(classes)) == len(classes) else classes


def _find_pairs(folders: Folders) -> Pairs:
    found = pair_files(folders)
    count = len(found.images) + len(found.unlabeled)
    if len(found.unlabeled) > _MOST_UNLABELED * count:
        example = found.unused[0] if found.unused else "none"
        raise UserError(
            f"{len(found.unlabeled):,} of {count:,} images have no mask, first {folders.images / found.unlabeled[0]}; "
            f"set label_dir, or image_suffix and label_suffix, in the config (a mask without an image: {example})"
        )
    notes = []
    if found.unlabeled:
        first = folders.images / found.unlabeled[0]
        notes.append(f"{len(found.unlabeled):,} of {count:,} images have no mask and are not used, first {first}")
    if found.unused and folders.image_list is None:
        notes.append(f"{len(found.unused):,} masks have no image, first {folders.labels / found.unused[0]}")
    notes += _note_others(folders.images, found.others)
    images = np.array([str(folders.images / name) for name in found.images])
    labels = np.array([str(folders.labels / name) for name in found.labels])
    return Pairs(images, LabelImages(labels), notes, folders.images, folders.labels)


def _images_only(folders: Folders) -> Pairs:
    names, others = list_images(folders)
    if folders.image_list is not None:
        names = [names[index] for index in select_images(names, folders.image_list, folders.images)]
    images = np.array([str(folders.images / name) for name in names])
    notes = _note_others(folders.images, others)
    return Pairs(images, LabelImages(np.array([])), notes, folders.images, Path("label_dir"))


def _note_others(folder: Path, others: Mapping[str, int]) -> list[str]:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items(), key=lambda item: -item[1])[:8])
    return [f"{sum(others.values()):,} files in {folder} are not used: {kinds}"] if others else []
