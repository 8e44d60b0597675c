"""How well anchors fit boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from densevision.detection.anchors import anchor_shapes, cell_extents
from densevision.detection.model import feature_sizes

MATCHED = 0.5  # IoU from which an anchor is trained on a box
_STRIDES, _EXTRAS = (16, 32), 4  # of the maps that the detector predicts from


def best_iou(boxes: np.ndarray, scales: Sequence[float], lowest: float, input_size: tuple[int, int]) -> np.ndarray:
    """Return the highest IoU of each box with any anchor, [M].

    Of the anchors of one shape, the one with the nearest center overlaps most, so that only these are compared.

    Args:
        boxes: [M, 4] xyxy in pixels of the network input.
        scales, lowest: arguments of ``anchor_shapes``.
        input_size: (height, width) of the network input.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    center, extent = (low + high) / 2, high - low
    best = np.zeros(len(boxes))
    maps = feature_sizes(input_size, _STRIDES, _EXTRAS)
    cells = cell_extents(maps, input_size, _STRIDES)
    for shapes, size, sides in zip(anchor_shapes(scales, lowest=lowest), maps, cells, strict=True):
        cell = np.array(sides[::-1])
        nearest = (np.clip(np.floor(center / cell), 0, np.array(size[::-1]) - 1) + 0.5) * cell
        anchors = np.array(shapes)[:, ::-1] * min(input_size)  # [shapes, 2] as width, height
        half = anchors / 2
        overlap = np.minimum(high[:, None], nearest[:, None] + half) - np.maximum(low[:, None], nearest[:, None] - half)
        shared = overlap.clip(min=0).prod(axis=2)  # [M, shapes]
        union = extent.prod(axis=1)[:, None] + anchors.prod(axis=1) - shared
        best = np.maximum(best, (shared / union).max(axis=1, initial=0))
    return best
