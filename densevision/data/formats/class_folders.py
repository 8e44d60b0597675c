"""Recognize a folder of images per class, as classifiers are trained on."""

from __future__ import annotations

import os
from pathlib import Path

from densevision.data.formats.layout import Layout
from densevision.errors import UserError, listed
from densevision.images import IMAGE_SUFFIXES

CLASS_DATASET = "densevision.classification.dataset.ImageFolder"
_PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_PARTS_OF = {name: part for part, names in _PARTS.items() for name in names}
# Folders of data sets of boxes and masks, which are no classes.
_OTHER = {"images", "image", "imgs", "img", "labels", "label", "masks", "mask", "annotations", "jpegimages", "gt"}
_LABEL_SUFFIXES = (".xml", ".json", ".txt", ".csv", ".yaml", ".yml")


def recognize_class_folders(data: Path) -> Layout | None:
    """Recognize ``CLASS/NAME.jpg``, or that below folders named train, val and test.

    Raises:
        UserError: there is a single class, a part is there twice, or only one that nothing can be trained on.
    """
    if not data.is_dir():
        return None
    folders = _folders(data)
    parts = {name: _PARTS_OF[name.lower()] for name in folders if name.lower() in _PARTS_OF}
    if not parts:
        return _undivided(data, folders)
    if not all(_are_classes(data / name, _folders(data / name)) for name in parts):
        return None
    twice = [name for name, part in parts.items() if list(parts.values()).count(part) > 1]
    if twice:
        raise UserError(f"{data} has the folders {listed(twice)}, which mean the same part; keep one of them")
    if "train" not in parts.values():
        raise UserError(f"{data} has the class folders of {listed(list(parts))} only; add train with the same folders")
    order = sorted(parts, key=lambda name: list(_PARTS).index(parts[name]))
    rest = [name for name in folders if name not in parts and _images(data / name)]
    notes = (f"not used: {listed(rest)}, next to {listed(order)}",) if rest else ()
    return _layout(data, {parts[name]: name for name in order}, notes)


def _undivided(data: Path, folders: list[str]) -> Layout | None:
    if not _are_classes(data, folders) or len(folders) < 2:
        return None
    return _layout(data, {"all": "."})


def _layout(data: Path, parts: dict[str, str], notes: tuple[str, ...] = ()) -> Layout:
    shared = dict(data_root=str(data.resolve()))
    arguments = {part: dict(image_dir=folder) for part, folder in parts.items()}
    return Layout("a folder per class", "classification", CLASS_DATASET, shared, arguments, notes)


def single_class(data: Path) -> str | None:
    """Return the name of the class folder if it is the only one, which no classifier can be trained on."""
    folders = _folders(data) if data.is_dir() else []
    return folders[0] if len(folders) == 1 and _are_classes(data, folders) else None


def _are_classes(place: Path, folders: list[str]) -> bool:
    """Tell whether folders contain images, and nothing that labels of another kind would be."""
    if not folders or {name.lower() for name in folders} & (_OTHER | set(_PARTS_OF)):
        return False
    return any(_images(place / name) for name in folders) and not any(_has_labels(place / name) for name in folders)


def _folders(place: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and entry.name[0] not in "._")


def _images(folder: Path) -> bool:
    return any(
        name.lower().endswith(IMAGE_SUFFIXES) for _, _, names in os.walk(folder, followlinks=True) for name in names
    )


def _has_labels(folder: Path) -> bool:
    """Tell whether a folder has as many files of labels as images."""
    names = [name.lower() for _, _, found in os.walk(folder, followlinks=True) for name in found]
    images = sum(name.endswith(IMAGE_SUFFIXES) for name in names)
    return sum(name.endswith(_LABEL_SUFFIXES) for name in names) >= max(1, images)
