"""Find the images of a folder per class, as in ImageNet's layout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.data.image_list import select_images
from densevision.data.pairs import SYSTEM_FILES
from densevision.errors import UserError, did_you_mean, listed
from densevision.images import IMAGE_SUFFIXES

CLASSES_FILE = "classes.txt"
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


@dataclass(frozen=True)
class Tree:
    """The files of a split.

    Attributes:
        place: the folder.
        folders: names of its class folders, sorted.
        images: paths relative to ``place`` with slashes, the class folder first; sorted.
        loose: number of images that are in no class folder.
        others: number of other files in the class folders.
    """

    place: Path
    folders: tuple[str, ...]
    images: tuple[str, ...]
    loose: int = 0
    others: int = 0

    def labels(self, names: Sequence[str]) -> list[int]:
        """Return the position in ``names`` of each image's class folder, -1 where it is not in there."""
        position = {name: label for label, name in enumerate(names)}
        return [position.get(image.partition("/")[0], -1) for image in self.images]


def read_tree(place: Path, image_list: Path | None = None) -> Tree:
    """List the images below each class folder; links are followed, and what system tools leave there is passed over.

    Args:
        place: the folder of the class folders.
        image_list: text file that names the images in use, see ``select_images``; None uses all.
    Raises:
        UserError: there is no such folder, or no class folder in it, or the folders are splits.
    """
    if not place.is_dir():
        raise UserError(f"{place} does not exist; it needs a folder per class: correct data_root or image_dir")
    folders = sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and not _is_system(entry.name))
    loose = sum(entry.is_file() and _is_image(entry.name) for entry in os.scandir(place))
    if not folders:
        found = f"{loose:,} images and no folder" if loose else "no folder"
        raise UserError(f"{place} contains {found}; it needs a folder per class, as in {place.name}/cat/1.jpg")
    if {name.casefold() for name in folders} <= _SPLITS:
        raise UserError(
            f"{place} contains the splits {listed(folders)}, not a folder per class; name one in image_dir, as in "
            f"image_dir={folders[-1]!r}"
        )
    images, others = [], 0
    for folder in folders:
        for parent, subfolders, names in os.walk(place / folder, followlinks=True):
            subfolders[:] = [name for name in subfolders if not _is_system(name)]
            chosen = [name for name in names if _is_image(name)]
            others += sum(not _is_system(name) for name in names) - len(chosen)
            images += [Path(parent, name).relative_to(place).as_posix() for name in chosen]
    images.sort()
    if image_list is not None:
        images = [images[index] for index in select_images(images, image_list, place)]
    return Tree(place, tuple(folders), tuple(images), loose, others)


def _is_system(name: str) -> bool:
    return name.startswith((".", "__")) or name in SYSTEM_FILES


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and not _is_system(name)


def read_classes(data_root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Return class name -> folder, in the order of the labels.

    ``classes.txt`` in ``data_root`` has a folder per line, and after a tab the name of the class where that differs.
    Without it, the folders in sorted order are the classes.

    Args:
        folders: of the split.
    Raises:
        UserError: the file can't be read, names something twice, or lacks a folder.
    """
    path = data_root / CLASSES_FILE
    if not path.is_file():
        return {name: name for name in folders}
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable text file ({error})") from error
    pairs = [(line.partition("\t")[0].strip(), line.rpartition("\t")[2].strip()) for line in lines]
    for kind, names in (("folder", [folder for folder, _ in pairs]), ("class", [name for _, name in pairs])):
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{path} has the {kind} {twice!r} twice; each line needs its own")
    known = [folder for folder, _ in pairs]
    missing = [folder for folder in folders if folder not in known]
    if missing:
        hint = did_you_mean(missing[0], known)
        raise UserError(
            f"{path} lacks the folder {missing[0]!r}; {f'{hint} ' if hint else ''}Write a line per class folder, a "
            "folder's name, and after a tab the name of the class where that differs"
        )
    return {name: folder for folder, name in pairs}
