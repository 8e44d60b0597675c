"""YOLO's format: a text file per image with a row per object, and a yaml file with the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from densevision.data.formats.content import CocoContent, box_around, image_names, number, one_class_name, read_text
from densevision.data.threads import read_files
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES

NAME_FILES = ("classes.txt", "obj.names", "classes.names", "names.txt")
_LOOSE = 0.02  # rounding: a box may reach this far beyond the image


def read_yolo(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read the text files of the images below a folder.

    The text file of ``images/a/b.jpg`` is ``labels/a/b.txt`` or ``images/a/b.txt``; an image without one has no
    objects. A row is a class index and the center x, center y, width, height of a box, or the corners of a polygon, as
    fractions of the image.

    Args:
        path: data.yaml, or a text file with one class name per line.
        image_dir: folder of the images.
    Returns:
        COCO's lists, with boxes and polygons as fractions; boxes are center x, center y, width, height.
    Raises:
        UserError: a file is missing or malformed.
    """
    content = CocoContent(class_names(path))
    names = image_names(image_dir)
    files = [label_file(image_dir, name) for name in names]
    found = read_files(_rows, files)
    if not any(rows is not None for rows in found):
        raise UserError(
            f"no image in {image_dir} has a label file; the first would be {files[0]}. Correct image_dir in the config"
        )
    for name, file, rows in zip(names, files, found, strict=True):
        image = content.add_image(name)
        for label, box, polygon in rows or ():
            if not 0 <= label < len(content.classes):
                raise UserError(
                    f"{file}: class index {label}, but {path} names {len(content.classes)} classes, 0 to "
                    f"{len(content.classes) - 1}"
                )
            content.add(image, label, box, polygon=polygon)
    lacking = sum(rows is None for rows in found)
    if lacking:
        content.notes.append(f"images without a .txt file, which count as images without objects: {lacking:,}")
    content.notes += _unused_note(image_dir, files)
    return content.as_dict()


def _unused_note(image_dir: Path, files: Sequence[Path]) -> list[str]:
    """Note label files without an image, in folders that have label files only."""
    folders, used = {file.parent for file in files} - {image_dir}, set(files)
    unused = [file for folder in sorted(folders) for file in folder.glob("*.txt") if file not in used]
    unused = [file for file in unused if file.name not in NAME_FILES and not _is_beside_image(file)]
    return [f".txt files without an image: {len(unused):,}, the first is {min(unused).name}"] if unused else []


def _is_beside_image(file: Path) -> bool:
    return any(file.with_suffix(suffix).exists() for suffix in IMAGE_SUFFIXES)


def class_names(path: Path) -> list[str]:
    """Return the names of the classes, from a yaml file or from a text file with one name per line.

    Raises:
        UserError: there are none, or one occurs twice.
    """
    text = read_text(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        content = load_yaml(path)
        if content.get("kpt_shape"):
            raise UserError(f"{path} has kpt_shape: rows with keypoints are not read; write rows with the boxes only")
        names = _yaml_names(content, path)
    else:
        names = [line.strip() for line in text.splitlines()]
        while names and not names[-1]:
            names.pop()
    checked = [one_class_name(name, path) for name in names]
    if not checked:
        raise UserError(f"{path} names no classes; add names: [first, second]")
    twice = next((name for row, name in enumerate(checked) if name in checked[:row]), None)
    if twice is not None:
        raise UserError(f"{path} names the class {twice!r} twice; give each its own name")
    return checked


def load_yaml(path: Path) -> Mapping[str, Any]:
    """Read a data.yaml.

    Raises:
        UserError: it is not yaml, or not a list of keys.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        line = f" in line {place.line + 1}" if place else ""
        raise UserError(f"{path} is not readable yaml{line}; correct it") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path} has no keys; it must have names: [first, second]")
    return content


def _yaml_names(content: Mapping[str, Any], path: Path) -> Sequence[Any]:
    names = content.get("names")
    if isinstance(names, Mapping):
        indices = sorted(names, key=lambda key: number(key, "a key of names", path))
        if [number(key, "a key of names", path) for key in indices] != list(range(len(indices))):
            raise UserError(f"{path}: the keys of names must count from 0 without gaps; they are {indices[:8]}")
        return [names[key] for key in indices]
    if not isinstance(names, list):
        raise UserError(f"{path} has no names of classes; add names: [first, second]")
    if content.get("nc") not in (None, len(names)):
        raise UserError(f"{path}: nc is {content['nc']}, but names has {len(names)} classes; correct one of them")
    return names


def label_file(image_dir: Path, name: str) -> Path:
    """Return the label file of an image: ``labels`` in place of the last ``images`` of its path, or next to it."""
    path = image_dir / name
    parts = path.parts
    for place in reversed(range(len(parts) - 1)):
        if parts[place].lower() == "images":
            labels = Path(*parts[:place], "labels", *parts[place + 1 :]).with_suffix(".txt")
            if labels.exists() or not path.with_suffix(".txt").exists():
                return labels
            break
    below = image_dir.parent / "labels" / image_dir.name / PurePosixPath(name).with_suffix(".txt")
    return below if below.exists() else path.with_suffix(".txt")


def _rows(file: Path) -> list[tuple[int, list[float], list[float]]] | None:
    """Read a label file: class index, box and polygon ([] for a box) of each row; None if there is no file."""
    if not file.exists():
        return None
    rows = []
    for place, line in enumerate(read_text(file).splitlines(), 1):
        words = line.split()
        if words:
            rows.append(_row(words, f"{file}, line {place}"))
    return rows


def _row(words: Sequence[str], source: str) -> tuple[int, list[float], list[float]]:
    values = [number(word, "a value", source) for word in words]
    if values[0] != int(values[0]):
        raise UserError(f"{source}: the class index is {words[0]}; it must be a whole number")
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise UserError(
            f"{source}: {len(values)} values; a row has a class index and x, y, width, height, or a polygon of at "
            "least three corners"
        )
    box, polygon = values[1:], list[float]()
    if min(box) < -_LOOSE or max(box) > 1 + _LOOSE:
        raise UserError(f"{source}: {min(box):g} to {max(box):g}; YOLO's boxes are fractions of the image, 0 to 1")
    if len(values) > 5:
        polygon = box
        x, y, width, height = box_around(list(zip(box[::2], box[1::2], strict=True)))
        box = [x + width / 2, y + height / 2, width, height]
    return int(values[0]), box, polygon
