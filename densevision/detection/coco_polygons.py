"""Compute the box around a COCO segmentation: polygons, or a mask in run-length encoding."""

from __future__ import annotations

import math
from typing import Any

from pycocotools import mask


def polygon_box(segmentation: Any) -> list[float] | None:
    """Return x, y, width, height of the area of a segmentation; None if it is empty or malformed.

    Args:
        segmentation: polygons [[x, y, x, y, ...], ...], one polygon [x, y, ...], or an RLE mask.
    """
    if isinstance(segmentation, dict):
        return _mask_box(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        return None
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    if not all(isinstance(polygon, list) and len(polygon) % 2 == 0 for polygon in polygons):
        return None
    values = [value for polygon in polygons for value in polygon]
    if not values or not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        return None
    xs, ys = values[::2], values[1::2]
    return [float(min(xs)), float(min(ys)), float(max(xs) - min(xs)), float(max(ys) - min(ys))]


def _mask_box(rle: dict) -> list[float] | None:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and 0 < side < 2**16 for side in size):
        return None
    if isinstance(counts, list):
        if not all(type(count) is int and count >= 0 for count in counts) or sum(counts) != size[0] * size[1]:
            return None
        rle = mask.frPyObjects(rle, *size)
    elif not _is_packed(counts):
        return None
    box = mask.toBbox(rle).tolist()
    return box if box[2] > 0 and box[3] > 0 else None


def _is_packed(counts: Any) -> bool:
    """Tell whether pycocotools, which checks nothing, can unpack a string of six-bit characters."""
    return (
        isinstance(counts, str)
        and bool(counts)
        and all(48 <= ord(c) < 112 for c in counts)
        and not (ord(counts[-1]) - 48) & 0x20
    )
