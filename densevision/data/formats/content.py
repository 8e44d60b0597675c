"""Collect what the files of a labeling tool say, in the form of a COCO json."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from densevision.data.pairs import Folders, list_images
from densevision.errors import UserError
from densevision.json_text import parse_json

UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the names of uploaded files


@dataclass
class CocoContent:
    """The lists of a COCO json under construction, with ids that count from 1.

    Attributes:
        classes: names in use; ``add`` appends names that are not among them.
        notes: what a user should be told, one line each.
    """

    classes: list[str] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_image(self, file_name: str, size: tuple[int, int] | None = None) -> int:
        """Append an image, with its (height, width) if the file states it; returns its id."""
        self.images.append(dict(id=len(self.images) + 1, file_name=file_name))
        if size is not None:
            self.images[-1].update(height=size[0], width=size[1])
        return len(self.images)

    def add(
        self,
        image: int,
        label: int | str,
        box: Sequence[float],
        *,
        polygon: Sequence[float] | Mapping[str, Any] = (),
        crowd: bool = False,
    ) -> None:
        """Append an object.

        Args:
            label: name of its class, or its index in ``classes``.
            box: four numbers in the format's own layout.
            polygon: x, y, x, y, ... in pixels, or COCO's RLE.
        """
        if isinstance(label, str):
            if label not in self.classes:
                self.classes.append(label)
            label = self.classes.index(label)
        row = dict(id=len(self.annotations) + 1, image_id=image, category_id=label + 1, bbox=list(box))
        if polygon:
            row["segmentation"] = dict(polygon) if isinstance(polygon, Mapping) else [list(polygon)]
        if crowd:
            row["iscrowd"] = 1
        self.annotations.append(row)

    def size_of(self, image: int) -> tuple[int, int] | None:
        """Return the (height, width) that the files state of an image."""
        row = self.images[image - 1]
        return (row["height"], row["width"]) if "height" in row else None

    def as_dict(self) -> dict[str, Any]:
        """Return the content of a COCO json, with ``notes``."""
        categories = [dict(id=number, name=name) for number, name in enumerate(self.classes, 1)]
        return dict(images=self.images, annotations=self.annotations, categories=categories, notes=tuple(self.notes))

    def with_sorted_classes(self) -> dict[str, Any]:
        """Return ``as_dict`` with the classes in alphabetic order, which does not depend on the order of the files."""
        names = sorted(self.classes)
        number_of = {place: names.index(name) + 1 for place, name in enumerate(self.classes, 1)}
        for annotation in self.annotations:
            annotation["category_id"] = number_of[annotation["category_id"]]
        self.classes = names
        return self.as_dict()


def image_names(folder: Path) -> list[str]:
    """Return the images below a folder, sorted, relative to it.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    return list_images(Folders(folder, folder / ".labels"))[0]


class ImageFinder:
    """Find the image of an annotation file.

    Args:
        folder: of the images.
    """

    def __init__(self, folder: Path):
        self.folder, self.names = folder, image_names(folder)
        self._by_stem: dict[str, list[str]] = {}
        for name in self.names:
            stem = PurePosixPath(name).with_suffix("").as_posix().lower()
            for key in {stem, stem.rpartition("/")[2]}:
                self._by_stem.setdefault(key, []).append(name)
        self._by_name = {name.lower(): name for name in self.names}

    def find(self, label_file: Path, stated: str, below: Path) -> str | None:
        """Return the image with the name of a label file, or the one that the file states; None if there is none.

        Args:
            label_file: the annotation file.
            stated: name or path of the image that the file states, "" if it doesn't.
            below: folder that the annotation files lie below.
        Raises:
            UserError: several images have this name.
        """
        stated = stated.replace("\\", "/").lower()
        base = stated.rpartition("/")[2]
        relative = label_file.relative_to(below).with_suffix("").as_posix().lower()
        for key in (relative, PurePosixPath(relative).name):
            found = self._by_stem.get(key, [])
            by_suffix = [name for name in found if PurePosixPath(name).name.lower() == base]
            if len(by_suffix or found) == 1:
                return (by_suffix or found)[0]
            if found:
                raise UserError(f"{label_file}: {found[0]} and {found[1]} both have this name; rename one of them")
        return self._by_name.get(stated) or self._by_name.get(base)


def per_image_notes(content: CocoContent, unlabeled: Sequence[str], without: Sequence[Path], suffix: str) -> None:
    """Append images without an annotation file as images without objects; note them, and files without an image."""
    for name in unlabeled:
        content.add_image(name)
    if unlabeled:
        content.notes.append(
            f"images without a {suffix} file, which count as images without objects: {len(unlabeled):,}, the first is "
            f"{unlabeled[0]}"
        )
    if without:
        content.notes.append(f"{suffix} files without an image: {len(without):,}, the first is {without[0].name}")


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Return the files below a folder whose names end in a suffix, sorted; hidden ones are left out.

    Raises:
        UserError: there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise UserError(f"folder {folder} does not exist; correct ann_file in the config")
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "__MACOSX")
        found += [Path(parent, name) for name in sorted(names) if name.lower().endswith(suffix) and name[0] != "."]
    if not found:
        raise UserError(f"{folder} has no {suffix} file; correct ann_file in the config")
    return found


def load_json_text(path: Path) -> Any:
    """Read a json file.

    Raises:
        UserError: it can't be read, is not in UTF-8, or is no json.
    """
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not readable json: {error}") from error


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        UserError: it can't be read, or has another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not in UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror})") from error


def rows_of(value: object, what: str, source: Path | str) -> list[Any]:
    """Return a list of a json; [] if it is missing.

    Raises:
        UserError: it is no list.
    """
    if value is not None and not isinstance(value, list):
        raise UserError(f"{source}: {what} is {str(value)[:40]!r}; it must be a list")
    return value or []


def number(value: object, what: str, source: Path | str) -> float:
    """Return a finite number.

    Args:
        what: names the value in the message.
        source: the file.
    Raises:
        UserError: it is none.
    """
    try:
        converted = float(str(value).strip())
    except ValueError:
        converted = math.nan
    if not math.isfinite(converted):
        raise UserError(f"{source}: {what} is {str(value)[:40]!r}; it must be a number")
    return converted


def box_around(points: Sequence[Sequence[float]]) -> list[float]:
    """Return x, y, width, height of the box around points (x, y)."""
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def one_class_name(name: object, source: Path | str) -> str:
    """Return a class name without surrounding spaces.

    Raises:
        UserError: it is empty, or no text.
    """
    if not isinstance(name, str | int) or isinstance(name, bool) or not str(name).strip():
        raise UserError(f"{source}: an object has no class name; correct it in the labeling tool")
    return str(name).strip()


def stated_size(height: object, width: object) -> tuple[int, int] | None:
    """Return (height, width) as whole numbers; None if they are missing or 0."""
    try:
        size = (int(float(str(height))), int(float(str(width))))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def rotated_corners(xywh: Sequence[float], degrees: float, pivot: tuple[float, float]) -> list[tuple[float, float]]:
    """Return the corners of a box that is turned clockwise around a pivot."""
    x, y, width, height = xywh
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    offsets = [(left - pivot[0], top - pivot[1]) for left, top in corners]
    return [(pivot[0] + dx * cos - dy * sin, pivot[1] + dx * sin + dy * cos) for dx, dy in offsets]
