"""Find the images and label files of a split in the folders of Cityscapes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from densevision.errors import UserError

_LAYOUT = "put images in leftImg8bit/SPLIT/ANY/, label files in gtFine/SPLIT/ANY/ (docs/weights.md shows it for VOC)"
_SYSTEM = ("Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX")  # files and folders of Windows, Synology and macOS


def find_images(folder: Path, suffix: str) -> tuple[np.ndarray, list[str]]:
    """List ``folder/*/*suffix``, the suffix case-insensitive.

    Returns:
        The sorted paths, and a note about other files in the folder, if any.
    Raises:
        UserError: there is no such folder or file, or two images differ only in the case of the suffix.
    """
    if not folder.is_dir():
        raise UserError(_missing_folder(folder))
    images: list[str] = []
    others: Counter[str] = Counter()
    for city, name in _list_files(folder):
        if city and name.lower().endswith(suffix.lower()):
            images.append(str(folder / city / name))
        else:
            others[_kind(city, name, folder)] += 1
    if not images:
        raise UserError(_no_image(folder, suffix, others))
    _check_unique(images, suffix)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common(8))
    notes = [f"{others.total():,} files in {folder} are not used: {kinds}"] if others else []
    return np.array(sorted(images)), notes  # one block of memory, which loader workers do not copy


def find_labels(images: np.ndarray, folder: Path, image_suffix: str, label_suffix: str) -> tuple[np.ndarray, list[str]]:
    """Find the label file of every image, the suffix case-insensitive.

    Returns:
        Their paths, and a note about label files without an image, if any.
    Raises:
        UserError: there is no such folder, or an image has no label file or two.
    """
    if not folder.is_dir():
        raise UserError(_missing_folder(folder))
    found: dict[tuple[str, str], str] = {}
    for city, name in _list_files(folder):
        if not name.lower().endswith(label_suffix.lower()):
            continue
        path = str(folder / city / name)
        twin = found.setdefault((city, name[: len(name) - len(label_suffix)]), path)
        if twin != path:
            raise UserError(f"{twin} and {path} label the same image; remove one")
    keys = [(path.parent.name, path.name[: len(path.name) - len(image_suffix)]) for path in map(Path, images)]
    missing = [key for key in keys if key not in found]
    if missing:
        first = folder / missing[0][0] / (missing[0][1] + label_suffix)
        raise UserError(
            f"{len(missing)} of {len(images)} images have no label file, first {first}; add it, remove the image, or "
            f"set label_suffix{_seen(folder)}"
        )
    labels = np.array([found.pop(key) for key in keys])
    notes = [f"{len(found):,} label files have no image, first {min(found.values())}"] if found else []
    return labels, notes


def _kind(city: str, name: str, folder: Path) -> str:
    """Return why a file is not used: its suffix, or its place."""
    if not city:
        return f"directly in {folder.name}/"
    return "(folder)" if name.endswith("/") else Path(name).suffix or "without suffix"


def _list_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (subfolder, name) of each file in a folder ("") and its subfolders, except hidden and system files."""
    for entry in os.scandir(folder):
        if entry.name.startswith(".") or entry.name in _SYSTEM:
            continue
        if not entry.is_dir():
            yield "", entry.name
            continue
        for file in os.scandir(entry.path):
            if not file.name.startswith(".") and file.name not in _SYSTEM:
                yield entry.name, f"{file.name}/" if file.is_dir() else file.name


def _missing_folder(folder: Path) -> str:
    above = next(parent for parent in folder.parents if parent.is_dir())
    found = ", ".join(sorted(path.name for path in above.iterdir())[:12]) or "nothing"
    if above == folder.parent:
        return f"{folder} does not exist; check data_root and split (found next to it: {found})"
    return f"{folder} does not exist; {above} contains {found}; {_LAYOUT}"


def _no_image(folder: Path, suffix: str, others: Counter) -> str:
    first = min((f"{city}/{name}" for city, name in _list_files(folder) if city and not name.endswith("/")), default="")
    if first:
        return f"{folder} contains no */*{suffix}; found {first}, so set image_suffix"
    flat = min((name for city, name in _list_files(folder) if not city), default="")
    if flat:
        return (
            f"{folder} contains {others.total():,} files such as {flat} directly; move them one folder deeper, as in "
            f"{folder.name}/all/{flat}; {_LAYOUT}"
        )
    return f"{folder} contains no */*{suffix}; images must be in one folder per city; {_LAYOUT}"


def _seen(folder: Path) -> str:
    """Name one file of a label folder, to compare suffixes with."""
    first = min((str(Path(city, name)) for city, name in _list_files(folder)), default="")
    return f" (found {first})" if first else f" ({folder} is empty)"


def _check_unique(images: Iterable[str], suffix: str) -> None:
    first: dict[str, str] = {}
    for path in images:
        twin = first.setdefault(path[: len(path) - len(suffix)], path)
        if twin != path:
            raise UserError(f"{twin} and {path} would share label file and prediction; rename or remove one")
