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
from densevision.segmentation.classes import UNEXPECTED as MOST_CLASSES
from densevision.segmentation.classes import class_info, near_name
from densevision.segmentation.colors import ColorImages, ColorTable, check_colors
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
        classes: name -> id in the masks, or names for the ids 0, 1, 2, ...; with ``colors`` the names in use, by
            default all.
        colors: name -> (red, green, blue) of masks with colors, or a list of several; the pixels of names that are
            not in ``classes``, and of other colors, are ignored.
        image_suffix: the end of image names, case-insensitive; "" for any image format.
        label_suffix: the end of mask names; needed if images and masks are in one folder.
        image_list: text file that names the images in use, one per line; relative to ``data_root``.
        transforms: albumentations transforms for training, applied to image and mask.
        max_unnamed: largest share of the pixels, 0..1, of one id without a class, or of all colors without a
            name; more is considered a mistake.
        may_lack: classes that may have no pixels, or "all".
        exif: "apply" or "ignore" the rotation of an image's EXIF tag; masks are never rotated.
        early: other transforms for the first part of a training, ``dict(until=0.4, transforms=[...])``.
        cache: keep decoded images and masks in files, ``dict(folder="/dev/shm/NAME", gigabytes=4)``; see
            ``DecodedCache``.
    Raises:
        UserError: a folder is missing or has no image, most images have no mask, or a mask is not a map of ids or
            does not fit its image.
    """

    def __init__(
        self,
        data_root: str,
        image_dir: str,
        label_dir: str | None,
        classes: Mapping[str, int] | Sequence[str] | None = None,
        colors: Mapping[str, Any] | None = None,
        image_suffix: str = "",
        label_suffix: str = "",
        image_list: str | None = None,
        transforms: Sequence[dict[str, Any]] = (),
        *,
        max_unnamed: float = 0.2,
        may_lack: Sequence[str] | str = (),
        exif: str = "apply",
        early: Mapping[str, Any] | None = None,
        cache: Mapping[str, Any] | None = None,
    ):
        root = resolve_data_root(data_root)
        info, table = _read_classes(classes, colors)
        id_of = dict(zip(info["classes"], info["label_ids"], strict=True))
        rules = Rules(id_of, True, max_unnamed, may_lack, table)
        check_exif(exif)
        folders = Folders(
            root / image_dir,
            root / (image_dir if label_dir is None else label_dir),
            image_suffix,
            label_suffix,
            None if image_list is None else root / image_list,
        )
        pairs = _images_only(folders) if label_dir is None else _find_pairs(folders, table)
        super().__init__(pairs, info, rules, transforms, exif, early, cache)


def _read_classes(
    classes: Mapping[str, int] | Sequence[str] | None, colors: Mapping[str, Any] | None
) -> tuple[dict[str, Any], ColorTable | None]:
    """Return ``class_info`` and the color table."""
    if colors is None:
        if classes is None:
            raise UserError("classes is missing; give name and id of each class, classes=dict(background=0, road=255)")
        return class_info(_with_ids(classes)), None
    given = check_colors(colors)
    info = class_info(_with_ids(list(given) if classes is None else classes))
    for name in info["classes"]:
        if name not in given:
            raise UserError(f"classes: {name!r} has no color in colors{near_name(name, given)}")
    if len(given) > MOST_CLASSES:
        raise UserError(f"colors: {len(given)} names; masks can have at most {MOST_CLASSES}")
    info["palette"] = [given[name][0] for name in info["classes"]]
    return info, ColorTable(colors, dict(zip(info["classes"], info["label_ids"], strict=True)))


def _with_ids(classes: Mapping[str, int] | Sequence[str]) -> Mapping[str, int] | Sequence[str]:
    """Number a list of different names; ``class_info`` describes what is wrong with others."""
    names = isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes)
    return {name: id_ for id_, name in enumerate(classes)} if names and len(set(classes)) == len(classes) else classes


def _find_pairs(folders: Folders, table: ColorTable | None) -> Pairs:
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
    source = LabelImages(labels) if table is None else ColorImages(labels, table)
    return Pairs(images, source, notes, folders.images, folders.labels)


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
