"""The polygons and RLE masks of a COCO json, per image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from densevision.errors import UserError
from densevision.json_text import parse_json


@dataclass(frozen=True)
class Shape:
    """One object.

    Attributes:
        name: of its class.
        outline: list of polygons, each [x0, y0, x1, y1, ...] in pixels, or COCO's RLE, a dict of size and counts.
    """

    name: str
    outline: list[list[float]] | dict[str, Any]


@dataclass(frozen=True)
class Outlines:
    """The objects of a json.

    Attributes:
        source: path of the file.
        names: of the classes, in the order of their ids.
        file_names: of the images.
        sizes: (height, width) of each image; None where the file does not give it.
        shapes: objects of each image, in the order of the file.
        skipped: reason -> number of objects without a usable outline.
        notes: of the reader, one line each.
        relative: whether polygons are fractions of the image.
        in_order: whether a later object is on top of an earlier one, by the rules of the format.
    """

    source: Path
    names: list[str]
    file_names: list[str]
    sizes: list[tuple[int, int] | None]
    shapes: list[list[Shape]]
    skipped: dict[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    relative: bool = False
    in_order: bool = False


_MOST_SIDE = 2**16  # pixels; pycocotools writes beyond its memory where corners are far outside


def load_json(path: Path) -> Mapping[str, Any]:
    """Read a COCO json.

    Raises:
        UserError: it is missing, not json, or has no images or categories.
    """
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; correct ann_file in the config") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable json ({error}); correct ann_file in the config") from error
    return content if isinstance(content, dict) else {}


def read_outlines(content: Mapping[str, Any], source: Path) -> Outlines:
    """Read the objects of COCO's dict, as ``load_json`` or a reader of another format returns it.

    Raises:
        UserError: a part is missing or malformed, or ids contradict each other.
    """
    images = _table(content, "images", source)
    categories = _table(content, "categories", source)
    try:
        name_of = {str(row["id"]): str(row["name"]) for row in sorted(categories, key=lambda row: int(row["id"]))}
        row_of = {str(image["id"]): row for row, image in enumerate(images)}
        file_names = [str(image["file_name"]) for image in images]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{source}: an image or category has no valid id, name or file_name ({error})") from error
    for what, ids, rows in (("image", row_of, images), ("category", name_of, categories)):
        if len(ids) < len(rows):
            raise UserError(f"{source}: {len(rows) - len(ids)} {what} ids are repeated; correct the file")
    if len(set(name_of.values())) < len(name_of):
        raise UserError(f"{source}: two categories have the same name; correct the file")
    shapes: list[list[Shape]] = [[] for _ in images]
    skipped = Counter[str]()
    for position, annotation in enumerate(_annotations(content, source)):
        name = name_of.get(str(annotation.get("category_id")))
        row = row_of.get(str(annotation.get("image_id")))
        if name is None or row is None:
            what = "category_id" if name is None else "image_id"
            raise UserError(f"{source}: annotation {position} has the unknown {what} {annotation.get(what)!r}")
        outline = _outline(annotation.get("segmentation"))
        if outline is None:
            skipped["without a polygon of three points"] += 1
        else:
            shapes[row].append(Shape(name, outline))
    names, sizes, notes = list(name_of.values()), [_size(image) for image in images], content.get("notes") or ()
    return Outlines(source, names, file_names, sizes, shapes, dict(skipped), notes)


def _table(content: Mapping[str, Any], key: str, source: Path) -> list[dict[str, Any]]:
    rows = content.get(key)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{source} has no {key}; a COCO json has lists of images, categories and annotations")
    return rows


def _annotations(content: Mapping[str, Any], source: Path) -> list[dict[str, Any]]:
    rows = content.get("annotations") or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{source}: annotations must be a list of objects; correct the file")
    return rows


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    try:
        height, width = int(image["height"]), int(image["width"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (height, width) if 0 < height < _MOST_SIDE and 0 < width < _MOST_SIDE else None


def _outline(segmentation: Any) -> list[list[float]] | dict[str, Any] | None:
    """Return polygons of at least three points, or an RLE; None if there is nothing to fill."""
    if isinstance(segmentation, dict):
        return segmentation if _is_rle(segmentation.get("size"), segmentation.get("counts")) else None
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str) or not segmentation:
        return None
    polygons = [segmentation] if isinstance(segmentation[0], int | float) else segmentation
    kept = [list(map(float, polygon)) for polygon in polygons if _is_polygon(polygon)]
    return kept or None


def _is_rle(size: Any, counts: Any) -> bool:
    """Tell whether pycocotools, which checks nothing and may end the process, can decode this RLE."""
    if not isinstance(size, list) or len(size) != 2 or not all(_is_count(side) for side in size):
        return False
    if isinstance(counts, list):
        return all(map(_is_count, counts)) and sum(counts) == size[0] * size[1]
    packed = isinstance(counts, str) and bool(counts) and all(48 <= ord(c) < 112 for c in counts)
    return packed and not (ord(counts[-1]) - 48) & 0x20


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_SIDE**2


def _is_polygon(polygon: Any) -> bool:
    numbers = isinstance(polygon, list) and all(isinstance(v, int | float) and abs(v) < 2 * _MOST_SIDE for v in polygon)
    return numbers and len(polygon) >= 6 and len(polygon) % 2 == 0
