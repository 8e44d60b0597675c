"""Recognize folders of images and masks by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_layout import Part, describe_masks, find_masks
from densevision.data.image_list import select_images
from densevision.data.pairs import LABEL_SUFFIXES, Folders, list_images
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES

SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}
_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "rgb", "photos", "original", "originals", "inputs", "input")
_MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "annots", "gt", "groundtruth", "ground_truth"),
    *(
        "segmentationclass",
        "segmentationclasspng",
        "segmentation",
        "segmentations",
        "seg",
        "segs",
        "targets",
        "target",
        "label_images",
    ),
)
_ENDS = ("_mask", "-mask", ".mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "_annotation", "_l")
_LISTS = ("", "ImageSets/Segmentation", "splits", "lists")
Parts = Mapping[str, Part]


def recognize_mask_folders(root: Path) -> Layout | None:
    """Recognize images and masks in two folders or in one, with split folders above, below, or in their names.

    Such as ``images/`` and ``masks/``; ``train/images`` and ``train/masks``; ``images/train`` and ``masks/train``;
    ``train/`` and ``trainannot/``; ``train/street.jpg`` and ``train/street_mask.png``.

    Raises:
        UserError: see ``describe_masks``.
    """
    if not root.is_dir():
        return None
    for find in (_split_above, _split_below, _siblings, _whole, _one_folder):
        parts = {part: folders for part, folders in find(root).items() if find_masks(root, folders)}
        if parts:
            return describe_masks("images and masks", root, parts)
    inside = [path for path in root.iterdir() if not path.name.startswith((".", "__"))]
    return recognize_mask_folders(inside[0]) if len(inside) == 1 else None  # as archives unpack


def children(folder: Path) -> dict[str, str]:
    """Return the subfolders, lower-case name -> name."""
    if not folder.is_dir():
        return {}
    return {path.name.lower(): path.name for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}


def split_folders(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield part and folder name of each split folder."""
    found = children(folder)
    for part, names in SPLITS.items():
        yield from ((part, found[name]) for name in names if name in found)


def with_lists(root: Path, part: Part) -> Parts:
    """Divide a part by the text files that name the images of a split, such as ``train.txt``; "all" without any."""
    parts: dict[str, Part] = {}
    for split, names in SPLITS.items():
        for name in names:
            for folder in _LISTS:
                image_list = (Path(folder) / f"{name}.txt").as_posix()
                if split not in parts and _is_list(root, part, image_list):
                    parts[split] = {**part, "image_list": image_list}
    return parts if "train" in parts else {"all": part}


def _is_list(root: Path, part: Part, image_list: str) -> bool:
    folder = root / part["image_dir"]
    if not (root / image_list).is_file():
        return False
    try:
        images, _ = list_images(Folders(folder, root / part["label_dir"], part.get("image_suffix", "")))
        return bool(select_images(images, root / image_list, folder))
    except UserError:
        return False


def _image_and_mask_folder(folder: Path) -> tuple[str, str] | None:
    found = children(folder)
    images = next((found[name] for name in _IMAGES if name in found), None)
    masks = next((found[name] for name in _MASKS if name in found and _has_image(folder / found[name])), None)
    return (images, masks) if images and masks else None


def _has_image(folder: Path) -> bool:
    return any(path.suffix.lower() in LABEL_SUFFIXES for path in folder.rglob("*"))


def _whole(root: Path) -> Parts:
    found = _image_and_mask_folder(root)
    return with_lists(root, dict(image_dir=found[0], label_dir=found[1])) if found else {}


def _split_above(root: Path) -> Parts:
    """Find ``train/images`` and ``train/masks``."""
    parts = {}
    for part, name in split_folders(root):
        if found := _image_and_mask_folder(root / name):
            parts[part] = dict(image_dir=f"{name}/{found[0]}", label_dir=f"{name}/{found[1]}")
    return parts


def _split_below(root: Path) -> Parts:
    """Find ``images/train`` and ``masks/train``."""
    found = _image_and_mask_folder(root)
    if not found:
        return {}
    masks = dict(split_folders(root / found[1]))
    return {
        part: dict(image_dir=f"{found[0]}/{name}", label_dir=f"{found[1]}/{masks[part]}")
        for part, name in split_folders(root / found[0])
        if part in masks
    }


def _siblings(root: Path) -> Parts:
    """Find ``train`` and ``trainannot`` or ``train_masks``."""
    found = children(root)
    parts: dict[str, Part] = {}
    for part, names in SPLITS.items():
        for name in names:
            images = [f"{name}{end}" for end in ("", "_images", "_image", "_imgs", "_img", "images")]
            masks = [f"{name}{between}{word}" for word in ("annot", *_MASKS) for between in ("", "_", "-")]
            image_dir = next((found[name] for name in images if name in found), None)
            label_dir = next((found[name] for name in masks if name in found), None)
            if part not in parts and image_dir and label_dir:
                parts[part] = dict(image_dir=image_dir, label_dir=label_dir)
    return parts


def _one_folder(root: Path) -> Parts:
    """Find ``street.jpg`` and ``street_mask.png`` or ``street.png`` in one folder, or in one per split."""
    parts = {part: found for part, name in split_folders(root) if (found := _suffixes(root, name))}
    if parts:
        return parts
    folders = [".", *(found[name] for found in [children(root)] for name in (*_IMAGES, "data") if name in found)]
    whole = next((found for name in folders if (found := _suffixes(root, name))), None)
    return with_lists(root, whole) if whole else {}


def _suffixes(root: Path, name: str) -> Part | None:
    """Return the part of a folder with images and masks, by the commonest end of the names of masks."""
    files = [path for path in (root / name).iterdir() if path.suffix.lower() in LABEL_SUFFIXES]
    stems = {path.stem.lower() for path in files}
    ends = Counter[str]()
    for path in files:
        for end in _ENDS:
            if path.stem.lower().endswith(end) and path.stem.lower().removesuffix(end) in stems:
                ends[f"{path.stem[-len(end) :]}{path.suffix}"] += 1
    if ends:
        return dict(image_dir=name, label_dir=name, label_suffix=ends.most_common(1)[0][0])
    by_suffix = {s: {p.stem for p in files if p.suffix.lower() == s} for s in (*IMAGE_SUFFIXES, ".gif")}
    for image in (".jpg", ".jpeg"):
        for mask in (".png", ".bmp", ".tif", ".tiff", ".gif"):
            if by_suffix[image] and 2 * len(by_suffix[image] & by_suffix[mask]) > len(by_suffix[image]):
                return dict(image_dir=name, label_dir=name, image_suffix=image, label_suffix=mask)
    return None
