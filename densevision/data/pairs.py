"""Pair image files with label files by their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from densevision.data.image_list import select_images
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES

LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".gif")
SYSTEM_FILES = ("Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX")  # of Windows, Synology and macOS
# Words that tell an image from its label file, as in image_001.jpg and mask_001.png.
_WORDS = (
    *("image", "images", "img", "imgs", "photo", "rgb", "sat", "leftimg8bit", "mask", "masks", "label", "labels"),
    *("labelids", "gt", "gtfine", "groundtruth", "seg", "segmentation", "annotation", "annotations", "l"),
)


@dataclass(frozen=True)
class Folders:
    """Where the images and the label files of a split lie.

    Attributes:
        images: folder of the images; its subfolders are searched too.
        labels: folder of the label files.
        image_suffix: the end of image names, case-insensitive; "" for any image format.
        label_suffix: the end of the names of label files; "" for any image format.
        image_list: text file that names the images in use.
    """

    images: Path
    labels: Path
    image_suffix: str = ""
    label_suffix: str = ""
    image_list: Path | None = None


@dataclass(frozen=True)
class Matches:
    """Image files and their label files, as paths relative to their folders.

    Attributes:
        images: sorted; those with a label file.
        labels: the label file of each.
        unlabeled: images without a label file.
        unused: label files without an image.
        others: number of other files in the image folder, by suffix.
    """

    images: list[str]
    labels: list[str]
    unlabeled: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)


def pair_files(folders: Folders) -> Matches:
    """Find the images of a split and the label file of each.

    A label file has the name of its image but for the suffixes, in any case. Where that pairs fewer files, the
    subfolders may differ, and the words in ``_WORDS`` may.

    Raises:
        UserError: a folder is missing or has no such file, two images share a label file or two label files an
            image, or ``image_list`` names other images.
    """
    images, others = list_images(folders)
    labels = _list_labels(folders)
    keys = [_by_key(images, folders.image_suffix, spell) for spell in _SPELLINGS]
    label_keys = [_by_key(labels, folders.label_suffix, spell) for spell in _SPELLINGS]
    common = [len(left.keys() & right.keys()) for left, right in zip(keys, label_keys, strict=True)]
    best = common.index(max(common))
    by_key, labels_by_key = keys[best], label_keys[best]
    paired = {}
    for key, names in by_key.items():
        found = labels_by_key.get(key, [])
        _refuse_twins(folders.images, names, "would share label file and prediction; rename or remove one", found)
        _refuse_twins(folders.labels, found, "label the same image; remove one, or set label_suffix", names)
        if found:
            paired[names[0]] = found[0]
    if folders.image_list is not None:
        images = [images[index] for index in select_images(images, folders.image_list, folders.images)]
    taken = [name for name in images if name in paired]
    left = set(labels) - set(paired.values())
    unlabeled = [name for name in images if name not in paired]
    return Matches(taken, [paired[name] for name in taken], unlabeled, sorted(left), others)


def list_images(folders: Folders) -> tuple[list[str], dict[str, int]]:
    """Return the sorted images below ``folders.images``, and the number of its other files by suffix.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    images, others = [], defaultdict[str, int](int)
    for name in _walk(folders.images, without=folders.labels):
        is_label = folders.images == folders.labels and _fits(name, folders.label_suffix, LABEL_SUFFIXES)
        if folders.label_suffix and is_label:
            continue
        if _fits(name, folders.image_suffix, IMAGE_SUFFIXES):
            images.append(name)
        elif not is_label:
            others[PurePosixPath(name).suffix or "without suffix"] += 1
    if not images:
        raise UserError(_nothing(folders.images, folders.image_suffix or "image", "image_dir or image_suffix"))
    return images, dict(others)


def _list_labels(folders: Folders) -> list[str]:
    labels = [
        name
        for name in _walk(folders.labels, without=folders.images)
        if _fits(name, folders.label_suffix, LABEL_SUFFIXES)
    ]
    if folders.images == folders.labels and not folders.label_suffix:
        raise UserError(f"image_dir and label_dir are both {folders.images}; set label_suffix in the config")
    if not labels:
        raise UserError(_nothing(folders.labels, folders.label_suffix or "label file", "label_dir or label_suffix"))
    return labels


def _walk(folder: Path, without: Path) -> Iterator[str]:
    """Yield the files below a folder, as sorted relative paths with slashes, except hidden and system files."""
    if not folder.is_dir():
        raise UserError(_missing_folder(folder))
    for parent, folders, names in os.walk(folder, followlinks=True):
        here = Path(parent)
        folders[:] = sorted(n for n in folders if not _is_system(n) and (here / n != without or folder == without))
        relative = here.relative_to(folder).as_posix()
        yield from (f"{relative}/{n}".removeprefix("./") for n in sorted(names) if not _is_system(n))


def _is_system(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FILES


def _fits(name: str, suffix: str, known: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffix.lower() if suffix else known)


def _stem(name: str, suffix: str) -> str:
    """Return a path without its suffix, in lower case."""
    end = len(suffix) if suffix else len(PurePosixPath(name).suffix)
    return name[: len(name) - end].lower()


def _whole(stem: str) -> str:
    return stem


def _base(stem: str) -> str:
    return stem.rpartition("/")[2]


def _bare(stem: str) -> str:
    """Drop the words of ``_WORDS`` from each part of a path: "image_001" and "001_mask" are both "001"."""
    parts = [[word for word in re.split(r"[_\-. ]+", part) if word not in _WORDS] for part in stem.split("/")]
    return "/".join("_".join(words) for words in parts)


def _bare_base(stem: str) -> str:
    return _bare(_base(stem))


_SPELLINGS: Sequence[Callable[[str], str]] = (_whole, _base, _bare, _bare_base)  # strict to loose


def _by_key(names: Sequence[str], suffix: str, spell: Callable[[str], str]) -> dict[str, list[str]]:
    by_key = defaultdict[str, list[str]](list)
    for name in names:
        by_key[spell(_stem(name, suffix))].append(name)
    return dict(by_key)


def _refuse_twins(folder: Path, names: Sequence[str], why: str, partners: Sequence[str]) -> None:
    if len(names) > 1 and partners:
        raise UserError(f"{folder / names[0]} and {folder / names[1]} {why}")


def _missing_folder(folder: Path) -> str:
    above = next(parent for parent in folder.parents if parent.is_dir())
    found = ", ".join(sorted(path.name for path in above.iterdir())[:12]) or "nothing"
    return f"{folder} does not exist; check the folders in the config ({above} contains {found})"


def _nothing(folder: Path, what: str, option: str) -> str:
    first = next(_walk(folder, folder), "")
    found = f"found {first}" if first else "it is empty"
    return f"{folder} contains no {what}; {found}; set {option} in the config"
