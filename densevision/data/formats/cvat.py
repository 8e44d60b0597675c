"""CVAT's own xml, "CVAT for images": one file for all images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from densevision.data.formats.content import (
    CocoContent,
    box_around,
    number,
    one_class_name,
    rotated_corners,
    stated_size,
)
from densevision.data.formats.outlines import check_pixels, decode_runs, ellipse_polygon, paste_mask
from densevision.data.formats.voc import parse_xml
from densevision.errors import UserError

_NO_AREA = ("points", "polyline", "tag", "skeleton", "cuboid")  # 3D boxes have no outline in the image plane


def read_cvat(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read boxes, rotated boxes, polygons, ellipses and masks; other shapes are counted and left out.

    Args:
        path: the xml file.
        image_dir: folder of the images, which the names in the file are relative to.
    Raises:
        UserError: the file is missing, malformed, or of "CVAT for video".
    """
    root = parse_xml(path)
    if root.find("track") is not None:
        raise UserError(f'{path} has tracks of a video; export it as "CVAT for images", which has every frame')
    images = root.findall("image")
    if not images:
        raise UserError(f'{path} has no <image>; export the task as "CVAT for images"')
    labels = [label.findtext("name") for label in root.iter("label") if label.find("name") is not None]
    content, skipped = CocoContent([one_class_name(name, path) for name in dict.fromkeys(labels)]), Counter[str]()
    ordered = bool(content.classes)
    for node in images:
        name = node.get("name") or ""
        if not name.strip():
            raise UserError(f"{path}: an image has no name; export the task again")
        image = content.add_image(name, stated_size(node.get("height"), node.get("width")))
        for shape in node:
            if shape.tag in _SHAPES:
                _add(content, image, shape, f"{path}: {shape.tag} in {name}")
            elif shape.tag in _NO_AREA:
                skipped[shape.tag] += 1
    content.notes += [f"CVAT shapes that are no boxes, left out: {n:,} {kind}" for kind, n in skipped.items()]
    return content.as_dict() if ordered else content.with_sorted_classes()


def _add(content: CocoContent, image: int, shape: ElementTree.Element, source: str) -> None:
    box, polygon = _SHAPES[shape.tag](shape, source)
    size = content.size_of(image)
    if shape.tag == "mask" and size is not None:
        rle = _rle(shape, size, source)
        content.add(image, one_class_name(shape.get("label"), source), box, polygon=rle)
        return
    content.add(image, one_class_name(shape.get("label"), source), box, polygon=polygon)


_Outline = tuple[list[float], list[float]]


def _numbers(shape: ElementTree.Element, keys: str, source: str) -> list[float]:
    return [number(shape.get(key), key, source) for key in keys.split()]


def _box(shape: ElementTree.Element, source: str) -> _Outline:
    left, top, right, bottom = _numbers(shape, "xtl ytl xbr ybr", source)
    angle = number(shape.get("rotation") or 0, "rotation", source)
    if not angle:
        return [left, top, right - left, bottom - top], []
    center = ((left + right) / 2, (top + bottom) / 2)
    corners = rotated_corners([left, top, right - left, bottom - top], angle, center)
    return box_around(corners), [value for corner in corners for value in corner]


def _polygon(shape: ElementTree.Element, source: str) -> _Outline:
    pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";")]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise UserError(f"{source} has points {(shape.get('points') or '')[:40]!r}; it must be x,y;x,y;x,y")
    points = [[number(value, "a coordinate", source) for value in pair] for pair in pairs]
    return box_around(points), [value for point in points for value in point]


def _ellipse(shape: ElementTree.Element, source: str) -> _Outline:
    x, y, rx, ry = _numbers(shape, "cx cy rx ry", source)
    angle = number(shape.get("rotation") or 0, "rotation", source)
    return [x - rx, y - ry, 2 * rx, 2 * ry], ellipse_polygon((x, y), (rx, ry), angle)


def _mask(shape: ElementTree.Element, source: str) -> _Outline:
    return _numbers(shape, "left top width height", source), []


def _rle(shape: ElementTree.Element, size: tuple[int, int], source: str) -> dict[str, Any]:
    check_pixels(size, source)
    left, top, width, height = (int(value) for value in _numbers(shape, "left top width height", source))
    runs = [int(number(run, "rle", source)) for run in (shape.get("rle") or "").split(",")]
    return paste_mask(decode_runs(runs, (height, width), source), left, top, size)


_SHAPES: Mapping[str, Callable[[ElementTree.Element, str], _Outline]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}
