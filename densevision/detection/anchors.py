"""The anchors of SSD: the shapes for each feature map, and their positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Shape = tuple[float, float]  # (height, width) as a fraction of the image's short side

LINEAR_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95)  # six maps, from 0.2 to 0.95 in even steps


def anchor_shapes(scales: Sequence[float] = LINEAR_SCALES, *, lowest: float | None = 0.1) -> list[list[Shape]]:
    """List the anchor shapes of every map.

    Args:
        scales: anchor size of each map as a fraction of the image's short side.
        lowest: the first map gets three shapes: a square of this scale, and the ratios 2 and 1/2 of its own
            scale. None is torchvision's variant with 3234 instead of 2034 anchors: six shapes as for the other
            maps, both squares first, no side longer than the image's short one.
    Returns:
        The (height, width) shapes of each map. Six: ratios (width / height) 1, 2, 1/2, 3, 1/3, and a square
        between this scale and the next one (1.0 after the last).
    Source: the authors' ssdlite_mobilenet_v3_large_320x320_coco; torchvision's ssdlite.py.
    """
    shapes = []
    for scale, following in zip(scales, [*scales[1:], 1.0], strict=True):
        between = (scale * following) ** 0.5
        shapes.append([_shape(scale, ratio) for ratio in (1, 2, 1 / 2, 3, 1 / 3)] + [(between, between)])
    if lowest is not None:
        shapes[0] = [(lowest, lowest), _shape(scales[0], 2), _shape(scales[0], 1 / 2)]
        return shapes
    return [[(min(h, 1.0), min(w, 1.0)) for h, w in (level[0], level[5], *level[1:5])] for level in shapes]


def _shape(scale: float, ratio: float) -> Shape:
    return scale / ratio**0.5, scale * ratio**0.5


def place_anchors(
    shapes: Sequence[Sequence[Shape]], feature_sizes: Sequence[tuple[int, int]], input_size: tuple[int, int]
) -> Tensor:
    """Place every shape at the center of every cell.

    Args:
        shapes: per map, as from ``anchor_shapes``.
        feature_sizes: (height, width) of each map in cells.
        input_size: (height, width) of the network input in pixels.
    Returns:
        [A, 4] float32 xyxy in input pixels, ordered by map, row, column, shape; they may extend beyond the image.
    """
    return torch.cat(
        [
            _place_map(torch.tensor(map_shapes), size, input_size)
            for map_shapes, size in zip(shapes, feature_sizes, strict=True)
        ]
    )


def _place_map(shapes: Tensor, feature_size: tuple[int, int], input_size: tuple[int, int]) -> Tensor:
    (rows, columns), (height, width) = feature_size, input_size
    y = (torch.arange(rows) + 0.5) * (height / rows)
    x = (torch.arange(columns) + 0.5) * (width / columns)
    centers = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flip(-1)  # [rows, columns, 2] as x, y
    half = shapes.flip(-1) * (min(height, width) / 2)  # [shapes, 2] as half width, half height
    corners = torch.cat([centers[:, :, None] - half, centers[:, :, None] + half], dim=-1)
    return corners.reshape(-1, 4)  # [rows * columns * shapes, 4]


def cell_sizes(
    shapes: Sequence[Sequence[Shape]], feature_sizes: Sequence[tuple[int, int]], input_size: tuple[int, int]
) -> Tensor:
    """Return the (width, height) of the cell of each anchor, [A, 2] float32 in input pixels; see ``place_anchors``."""
    height, width = input_size
    maps = zip(shapes, feature_sizes, strict=True)
    return torch.cat(
        [
            torch.tensor([[width / columns, height / rows]]).expand(rows * columns * len(one), 2)
            for one, (rows, columns) in maps
        ]
    )
