"""Recognize folders of images and masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_values import class_ids, options_of, sample_ids, unnamed_classes
from densevision.data.pairs import Folders, pair_files
from densevision.errors import UserError

MASK_DATASET = "densevision.segmentation.masks.MaskDataset"
_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "rgb", "photos", "inputs", "input")
_MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "annots", "gt", "groundtruth", "ground_truth"),
    *("segmentationclass", "segmentation", "segmentations", "seg", "segs", "targets", "target"),
)
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def recognize_mask_folders(root: Path) -> Layout | None:
    """Recognize ``images/`` and ``masks/``, under many names, with split folders above or below them."""
    for parts in (_split_above(root), _split_below(root), _whole(root)):
        found = {part: folders for part, folders in parts.items() if _pairs(root, folders)}
        if found:
            return _describe(root, found)
    return None


def _children(folder: Path) -> dict[str, str]:
    """Return the subfolders, lower-case name -> name."""
    if not folder.is_dir():
        return {}
    return {path.name.lower(): path.name for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}


def _split_folders(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (part, folder name)."""
    children = _children(folder)
    for part, names in SPLITS.items():
        yield from ((part, children[name]) for name in names if name in children)


def _image_and_mask_folder(folder: Path) -> tuple[str, str] | None:
    children = _children(folder)
    images = next((children[name] for name in _IMAGES if name in children), None)
    masks = next((children[name] for name in _MASKS if name in children), None)
    return (images, masks) if images and masks else None


def _whole(root: Path) -> dict[str, dict[str, str]]:
    found = _image_and_mask_folder(root)
    return {"all": dict(image_dir=found[0], label_dir=found[1])} if found else {}


def _split_above(root: Path) -> dict[str, dict[str, str]]:
    """Find ``train/images`` and ``train/masks``."""
    parts = {}
    for part, name in _split_folders(root):
        if found := _image_and_mask_folder(root / name):
            parts[part] = dict(image_dir=f"{name}/{found[0]}", label_dir=f"{name}/{found[1]}")
    return parts


def _split_below(root: Path) -> dict[str, dict[str, str]]:
    """Find ``images/train`` and ``masks/train``."""
    found = _image_and_mask_folder(root)
    if not found:
        return {}
    masks = dict(_split_folders(root / found[1]))
    return {
        part: dict(image_dir=f"{found[0]}/{name}", label_dir=f"{found[1]}/{masks[part]}")
        for part, name in _split_folders(root / found[0])
        if part in masks
    }


def _pairs(root: Path, part: dict[str, str]) -> list[Path]:
    """Return the masks of a part, [] if there are none or the folders contain something else."""
    try:
        found = pair_files(Folders(root / part["image_dir"], root / part["label_dir"]))
    except UserError:
        return []
    return [root / part["label_dir"] / name for name in found.labels]


def _describe(root: Path, parts: dict[str, dict[str, str]]) -> Layout | None:
    masks = [mask for part in parts.values() for mask in _pairs(root, part)]
    sample = sample_ids(masks)
    if sample is None:
        return None
    classes = unnamed_classes(class_ids(sample))
    shared: dict[str, Any] = dict(data_root=str(root.resolve()), classes=classes, **options_of(sample, classes))
    return Layout("images and masks", "segmentation", MASK_DATASET, shared, parts)
