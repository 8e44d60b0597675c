"""Box formats in a json: COCO's x, y, width, height in pixels, and formats that are mistaken for it."""

from __future__ import annotations

import numpy as np

LAYOUTS = {"xywh": "x, y, width, height", "xyxy": "x1, y1, x2, y2", "cxcywh": "center x, center y, width, height"}
_UNITS = {"relative": 1, "percent": 100}  # value of the image's full width and height
BOX_FORMATS = (*LAYOUTS, *(f"{unit}_{layout}" for unit in _UNITS for layout in LAYOUTS))
# Smallest share of boxes that extend far beyond their image when the layout is read as xywh: two of three boxes of
# corners do, but only the boxes of centers at the edge of the image.
_FAR = {"xyxy": 0.2, "cxcywh": 0.005}


def to_xywh(boxes: np.ndarray, box_format: str, sizes: np.ndarray) -> np.ndarray:
    """Convert boxes to x, y, width, height in pixels.

    Args:
        boxes: [M, 4].
        box_format: one of ``BOX_FORMATS``.
        sizes: [M, 2] (height, width) of each box's image.
    """
    unit, _, layout = box_format.rpartition("_")
    if unit:
        boxes = boxes * (sizes[:, [1, 0, 1, 0]] / _UNITS[unit])
    if layout == "xyxy":
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    if layout == "cxcywh":
        return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
    return boxes


def overhang(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """[M, 4] xywh, [M, 2] (height, width) -> [M] pixels by which a box extends beyond its image, largest side."""
    past = np.concatenate([-boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - sizes[:, ::-1]], axis=1)
    return past.max(axis=1).clip(min=0)


def suspect_format(boxes: np.ndarray, sizes: np.ndarray) -> tuple[str, str] | None:
    """Detect from all boxes together whether they are in another format than COCO's.

    Fractions are detected where boxes are within the first pixel of the image. Percent are suspected where many boxes
    together reach 100 in both directions, and no further, in images that are much larger. Corners or centers are
    suspected where boxes read as x, y, width, height extend far beyond their image and the other layout explains it:
    ten times fewer boxes contradict it. With a few overhanging boxes in correct data, most boxes contradict the other
    layouts.

    Args:
        boxes: [M, 4] as written in the json.
        sizes: [M, 2] (height, width) of each box's image.
    Returns:
        One of ``BOX_FORMATS`` and the evidence; None for COCO's own format.
    """
    usable: np.ndarray = np.all(boxes[:, 2:] > 0, axis=1) & np.all(sizes > 0, axis=1)
    boxes, sizes = boxes[usable], sizes[usable]
    if not len(boxes):
        return None
    unit = (np.abs(boxes) <= 1.05).all(axis=1) & (sizes > 4).all(axis=1)
    if 2 * unit.sum() >= len(boxes):
        boxes, sizes = boxes[unit], sizes[unit]
        layout, _ = _suspect_layout(boxes * sizes[:, [1, 0, 1, 0]], sizes)
        return f"relative_{layout}", f"{len(boxes)} of {len(usable)} boxes are fractions of the image"
    if _is_percent(boxes, sizes):
        layout, _ = _suspect_layout(boxes * (sizes[:, [1, 0, 1, 0]] / 100), sizes)
        return f"percent_{layout}", f"all {len(boxes)} boxes are within 0 to 100 and look like percent of the image"
    layout, count = _suspect_layout(boxes, sizes)
    if layout == "xywh":
        return None
    return layout, f"{count} of {len(usable)} boxes extend far beyond their image, and fit as {LAYOUTS[layout]}"


def _is_percent(boxes: np.ndarray, sizes: np.ndarray) -> bool:
    """Tell whether boxes fill the first 100 x 100 pixels of images that are more than twice as large."""
    if len(boxes) < 20 or (sizes <= 200).any() or (boxes < -5).any() or (boxes > 105).any():
        return False
    ends = (boxes[:, :2] + boxes[:, 2:]).max(axis=0), boxes[:, :2].max(axis=0), boxes[:, 2:].max(axis=0)
    return any(((reach > 90) & (reach <= 105)).all() for reach in ends)


def _suspect_layout(boxes: np.ndarray, sizes: np.ndarray) -> tuple[str, int]:
    """Return the layout that fits boxes in pixels, and the number of boxes that extend far beyond as xywh."""
    sides = sizes[:, ::-1].astype(float)
    slack = np.maximum(2, 0.002 * sides)
    past = boxes[:, :2] + boxes[:, 2:] - sides
    far = ((past > slack) & (past > np.minimum(0.25 * boxes[:, 2:], 0.1 * sides))).any(axis=1)
    if far.sum() < 3:  # so few may be annotation errors, unless they are large
        far &= (past > 0.1 * sides).any(axis=1)
    count = int(far.sum())
    first, second = boxes[:, :2], boxes[:, 2:]
    wrong = {
        "xyxy": (first < -slack) | (second < first) | (second > sides + slack),
        "cxcywh": (first - second / 2 < -slack) | (first + second / 2 > sides + slack),
    }
    faults = {layout: int(mask.any(axis=1).sum()) for layout, mask in wrong.items()}
    fitting = [
        layout for layout, share in _FAR.items() if count >= max(1, share * len(boxes)) and 10 * faults[layout] <= count
    ]
    return min(fitting, key=faults.__getitem__, default="xywh"), count
