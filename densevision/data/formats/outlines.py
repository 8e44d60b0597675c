"""Outlines of shapes that are no polygons, as COCO has them: ellipses, rectangles, painted masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from densevision.errors import UserError
from densevision.image_formats import MOST_PIXELS

_CORNERS = 64  # of the polygon for an ellipse; it has 0.2 % less area


def ellipse_polygon(center: Sequence[float], radii: Sequence[float], angle: float = 0) -> list[float]:
    """Return an ellipse as a polygon, x, y, x, y, ...

    Args:
        center: x, y.
        radii: along the own axes of the ellipse.
        angle: of its rotation, clockwise in degrees.
    """
    turn = math.radians(angle)
    polygon = []
    for step in range(_CORNERS):
        place = 2 * math.pi * step / _CORNERS
        x, y = radii[0] * math.cos(place), radii[1] * math.sin(place)
        polygon += [center[0] + x * math.cos(turn) - y * math.sin(turn)]
        polygon += [center[1] + x * math.sin(turn) + y * math.cos(turn)]
    return polygon


def rectangle_polygon(left: float, top: float, width: float, height: float) -> list[float]:
    """Return the corners of a box, x, y, x, y, ..."""
    right, bottom = left + width, top + height
    return [left, top, right, top, right, bottom, left, bottom]


def check_pixels(size: tuple[int, int], source: str) -> None:
    """Raise a UserError, before memory is reserved, if a mask or its image has more pixels than are decoded."""
    if size[0] * size[1] > MOST_PIXELS:
        raise UserError(f"{source} states {size[1]}x{size[0]} pixels, too many for an image; correct the file")


def paste_mask(part: np.ndarray, left: int, top: int, size: tuple[int, int]) -> dict[str, Any]:
    """Return a painted mask as COCO's RLE of the whole image.

    Args:
        part: [h, w] bool.
        left, top: place of its first pixel in the image; what lies outside of the image is cut.
        size: (height, width) of the image.
    """
    whole = np.zeros(size, bool)
    rows, columns = slice(max(top, 0), max(top + part.shape[0], 0)), slice(max(left, 0), max(left + part.shape[1], 0))
    cut = part[max(-top, 0) :, max(-left, 0) :]
    place = whole[rows, columns]
    place[:] = cut[: place.shape[0], : place.shape[1]]
    flat = np.concatenate([[False], whole.ravel(order="F")])  # column by column, as COCO counts
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.append(changes, whole.size)
    return dict(size=list(size), counts=np.diff(ends, prepend=0).tolist())


def decode_runs(runs: Sequence[int], size: tuple[int, int], source: str) -> np.ndarray:
    """Decode CVAT's run lengths, row by row and zeros first, as [h, w] bool.

    Raises:
        UserError: they do not fill the size.
    """
    check_pixels(size, source)
    values = np.arange(len(runs)) % 2 == 1
    if min(runs, default=0) < 0 or sum(runs) != size[0] * size[1]:
        raise UserError(f"{source}: its rle has {sum(runs):,} pixels, its width and height {size[0] * size[1]:,}")
    return np.repeat(values, runs).reshape(size)
