"""LabelMe's format: a json per image, with shapes."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densevision.data.formats.content import (
    CocoContent,
    ImageFinder,
    box_around,
    files_below,
    load_json_text,
    number,
    one_class_name,
    per_image_notes,
    stated_size,
)
from densevision.data.formats.outlines import ellipse_polygon, paste_mask, rectangle_polygon
from densevision.data.threads import read_files
from densevision.errors import UserError
from densevision.image_formats import check_file
from densevision.image_header import open_with_pillow

_OUTLINES = ("polygon", "rotation", "quadrilateral")
_CORNERS = ("rectangle", "mask")


def read_labelme(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read the json files below a folder.

    Rectangles, polygons, circles and masks are objects; points and lines are counted and left out. The pixels that a
    json may contain, ``imageData``, are not read.

    Args:
        path: folder of the json files.
        image_dir: folder of the images.
    Raises:
        UserError: a file is missing or malformed.
    """
    files = files_below(path, ".json")
    finder, content, skipped = ImageFinder(image_dir), CocoContent(), Counter[str]()
    labeled, without = set(), []
    found = [(file, rows) for file, rows in zip(files, read_files(read_shapes, files), strict=True) if rows is not None]
    for file, rows in found:
        name = finder.find(file, str(rows.get("imagePath") or ""), path)
        if name is None:
            without.append(file)
            continue
        if name in labeled:
            raise UserError(f"{file}: another .json file has the image {name}, too; remove one of them")
        labeled.add(name)
        image = content.add_image(name, stated_size(rows.get("imageHeight"), rows.get("imageWidth")))
        for shape in rows["shapes"]:
            _add_shape(content, image, shape, file, skipped)
    if not labeled:
        raise UserError(f"no LabelMe json in {path} has an image in {image_dir}; correct ann_file or image_dir")
    per_image_notes(content, [name for name in finder.names if name not in labeled], without, ".json")
    content.notes += [f"LabelMe shapes that are no boxes, left out: {n:,} {kind}" for kind, n in skipped.items()]
    return content.with_sorted_classes()


def read_shapes(file: Path) -> Mapping[str, Any] | None:
    """Return the content of a LabelMe json; None if it is another json.

    Raises:
        UserError: it is not readable json.
    """
    rows = load_json_text(file)
    if not isinstance(rows, Mapping) or "shapes" not in rows or "images" in rows:
        return None
    shapes = rows["shapes"]
    if not isinstance(shapes, list) or not all(isinstance(shape, Mapping) for shape in shapes):
        raise UserError(f"{file}: shapes is no list of shapes; save the file again in LabelMe")
    return rows


def _add_shape(content: CocoContent, image: int, shape: Mapping[str, Any], file: Path, skipped: Counter[str]) -> None:
    kind = shape.get("shape_type") or "polygon"
    if kind not in (*_OUTLINES, *_CORNERS, "circle"):
        skipped[str(kind)] += 1
        return
    name = one_class_name(shape.get("label"), file)
    points = _points(shape.get("points"), f"{file}: {kind} {name!r}")
    needed = 3 if kind in _OUTLINES else 2
    if len(points) < needed:
        raise UserError(f"{file}: the {kind} {name!r} has {len(points)} points; it must have at least {needed}")
    if kind == "circle":
        (x, y), edge = points[0], points[1]
        radius = math.dist((x, y), edge)
        box = [x - radius, y - radius, 2 * radius, 2 * radius]
        content.add(image, name, box, polygon=ellipse_polygon((x, y), (radius, radius)))
        return
    box = box_around(points)
    outline: Sequence[float] | dict[str, Any] = [value for point in points for value in point]
    if kind in _CORNERS:
        size = content.size_of(image)
        outline = _painted(shape, box, size, file) if kind == "mask" and size else rectangle_polygon(*box)
    content.add(image, name, box, polygon=outline)


def _painted(shape: Mapping[str, Any], box: Sequence[float], size: tuple[int, int], file: Path) -> dict[str, Any]:
    """Read the mask of a shape, a PNG of the pixels in its box."""
    try:
        content = base64.b64decode(str(shape.get("mask")))
        check_file(content)
        with open_with_pillow(io.BytesIO(content)) as image:
            part = np.asarray(image) > 0
    except MemoryError:
        raise
    except Exception as error:  # Pillow documents no list of what it raises for damaged files
        raise UserError(f"{file}: a shape of the kind mask has no readable mask; save it again in LabelMe") from error
    return paste_mask(part, round(box[0]), round(box[1]), size)


def _points(points: Any, source: str) -> list[list[float]]:
    if not isinstance(points, Sequence) or isinstance(points, str):
        raise UserError(f"{source} has no list of points; save the file again in LabelMe")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise UserError(f"{source} has a point that is not [x, y]; save the file again in LabelMe")
    return [[number(value, "a coordinate", source) for value in point] for point in points]
