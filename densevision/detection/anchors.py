"""The anchors of SSD: the shapes for each feature map, and their positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from densevision.structures import check_range

Shape = tuple[float, float]  # (height, width) as a fraction of the image's short side

_LARGEST = 10.0  # scale: more is a number of pixels, or of percent

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
    Raises:
        UserError: a scale is not over 0, or over 10, as a number of pixels would be.
    Source: the authors' ssdlite_mobilenet_v3_large_320x320_coco; torchvision's ssdlite.py.
    """
    for position, scale in enumerate(scales):
        check_range(f"anchors.scales[{position}]", scale, low=0, high=_LARGEST, with_low=False)
    if lowest is not None:
        check_range("anchors.lowest", lowest, low=0, high=_LARGEST, with_low=False)
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


def cell_extents(
    feature_sizes: Sequence[tuple[int, int]], input_size: tuple[int, int], strides: Sequence[int] = ()
) -> list[tuple[float, float]]:
    """Return the (height, width) in input pixels of a cell of each map.

    Args:
        feature_sizes: (height, width) of each map in cells.
        input_size: (height, width) of the network input in pixels.
        strides: of the first maps, those of the backbone, whose cells have as many pixels. The last of them may cover
            more than the input, at the bottom and on the right, and the cells of further maps divide what it covers:
            so they lie in every input as in one whose sides are multiples of the strides. Without strides, the cells
            of all maps divide the input.
    Example: stride 16 in an input of 300 has 19 cells of 16 pixels, not of 300 / 19 = 15.8.
    """
    found: list[tuple[float, float]] = [(stride, stride) for stride in strides]
    height, width = input_size
    if strides:
        height, width = (side * strides[-1] for side in feature_sizes[len(strides) - 1])
    return found + [(height / rows, width / columns) for rows, columns in feature_sizes[len(strides) :]]


def place_anchors(
    shapes: Sequence[Sequence[Shape]],
    feature_sizes: Sequence[tuple[int, int]],
    input_size: tuple[int, int],
    strides: Sequence[int] = (),
    side: int | None = None,
) -> Tensor:
    """Place every shape at the center of every cell.

    Args:
        shapes: per map, as from ``anchor_shapes``.
        feature_sizes, input_size, strides: see ``cell_extents``.
        side: pixels that the shapes are fractions of; None: the short side of the input.
    Returns:
        [A, 4] float32 xyxy in input pixels, ordered by map, row, column, shape; they may extend beyond the image.
    """
    side = min(input_size) if side is None else side
    maps = zip(shapes, feature_sizes, cell_extents(feature_sizes, input_size, strides), strict=True)
    return torch.cat([_place_map(side * torch.tensor(each), size, cell) for each, size, cell in maps])


def _place_map(shapes: Tensor, feature_size: tuple[int, int], cell: tuple[float, float]) -> Tensor:
    y, x = ((torch.arange(count) + 0.5) * extent for count, extent in zip(feature_size, cell, strict=True))
    centers = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flip(-1)  # [rows, columns, 2] as x, y
    half = shapes.flip(-1) / 2  # [shapes, 2] as half width, half height
    corners = torch.cat([centers[:, :, None] - half, centers[:, :, None] + half], dim=-1)
    return corners.reshape(-1, 4)  # [rows * columns * shapes, 4]


def cell_sizes(
    shapes: Sequence[Sequence[Shape]],
    feature_sizes: Sequence[tuple[int, int]],
    input_size: tuple[int, int],
    strides: Sequence[int] = (),
) -> Tensor:
    """Return the (width, height) of the cell of each anchor, [A, 2] float32 in input pixels; see ``place_anchors``."""
    maps = zip(shapes, feature_sizes, cell_extents(feature_sizes, input_size, strides), strict=True)
    return torch.cat(
        [
            torch.tensor([[width, height]], dtype=torch.float32).expand(rows * columns * len(one), 2)
            for one, (rows, columns), (height, width) in maps
        ]
    )
