"""Choose the input size of a detector, and the crop that a segmentation model trains on."""

from __future__ import annotations

import math

import numpy as np

from densevision.data.sizes import describe_size
from densevision.proposal.anchors import class_weights
from densevision.proposal.choice import Choice

Size = tuple[int, int]

_STEP = 32  # stride of the last feature map of the backbone
_USUAL = 320  # side of the input that the published detectors of this family have
_SMALLEST_SIDE = 224
_LARGEST = {"phone-fast": 256, "balanced": 512, "accurate": 640}
_SMALLEST_CLASS = 96
_LARGEST_CLASS = {"phone-fast": 160, "balanced": 224, "accurate": 256}
_SMALL_OBJECT = 16  # input pixels: the stride of the finest feature map
_SQUARE = 1.4  # images of up to this ratio of the sides are resized to a square, as the published detectors' are
_CROP_SHARE = 0.8
_LARGEST_CROP = {"phone-fast": 384, "balanced": 512, "accurate": 768}
_SAME_WAY = 0.9  # share of the images that are as wide, or as high, as the input is made for


def choose_input_size(sizes: np.ndarray, boxes: np.ndarray, labels: np.ndarray, target: str) -> Choice[Size]:
    """Choose the size that every image is resized to, by the smaller boxes, with about the images' aspect ratio.

    Args:
        sizes: [S, 2] (height, width) of the images.
        boxes: [M, 4] xyxy as fractions of the image.
        labels: [M] class of each box; all classes weigh the same.
        target: key of the largest size.
    """
    small = small_side(boxes, labels)
    most = min(_LARGEST[target], max(_SMALLEST_SIDE, _round(float(np.sqrt(np.median(sizes.prod(axis=1)))))))
    side = min(_USUAL, most)
    if small > 0:
        side = min(most, max(side, math.ceil(_SMALL_OBJECT / small / _STEP) * _STEP))
    ratio = aspect_ratio(sizes)
    size = (side, side) if 1 / _SQUARE <= ratio <= _SQUARE else _shape(side, ratio)
    short = f"the smaller boxes (lower quarter) are about {small * side:.0f} pixels there"
    limit = f", {target} ends at {side}" if small * side < _SMALL_OBJECT and side == _LARGEST[target] else ""
    return Choice(size, f"images are mostly {describe_size(_median(sizes))}; {short}{limit}")


def small_side(boxes: np.ndarray, labels: np.ndarray) -> float:
    """Return the side of the smaller boxes as a fraction of the image's: the lower quartile, classes weighed equally.

    0.0 without boxes.
    """
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    if not len(sides):
        return 0.0
    order = np.argsort(sides)
    reached = np.cumsum(class_weights(labels)[order]) >= 0.25 - 1e-9
    return float(sides[order][reached.argmax()])


def aspect_ratio(sizes: np.ndarray) -> float:
    """Return the usual width / height; 1.0 where the images are neither mostly wide nor mostly high."""
    ratios = sizes[:, 1] / sizes[:, 0]
    wide = float((ratios >= 1).mean())
    return float(np.median(ratios)) if max(wide, 1 - wide) >= _SAME_WAY else 1.0


def choose_crop(sizes: np.ndarray, target: str) -> Choice[Size]:
    """Choose the crop of a segmentation training: most of the image, so that a model sees the context."""
    median = _median(sizes)
    height, width = (min(_LARGEST_CROP[target], max(64, _round(_CROP_SHARE * side))) for side in median)
    whole = describe_size(median)
    if max(median) * _CROP_SHARE > _LARGEST_CROP[target] + _STEP:
        return Choice(
            (height, width), f"of images that are mostly {whole}; evaluated whole: resize them if that is slow"
        )
    return Choice((height, width), f"about {_CROP_SHARE:.0%} of each side of images that are mostly {whole}")


def choose_class_input(sizes: np.ndarray, target: str) -> Choice[Size]:
    """Choose the square that a classifier resizes every image to: about the images' own size, 224 at most as usual.

    Args:
        sizes: [S, 2] (height, width) of the images.
        target: key of the largest size.
    """
    side = min(_LARGEST_CLASS[target], max(_SMALLEST_CLASS, _round(float(np.sqrt(np.median(sizes.prod(axis=1)))))))
    return Choice(
        (side, side), f"images are mostly {describe_size(_median(sizes))}; {target} ends at {_LARGEST_CLASS[target]}"
    )


def _median(sizes: np.ndarray) -> Size:
    height, width = np.median(sizes, axis=0).astype(int).tolist()
    return height, width


def _round(side: float) -> int:
    return max(1, round(side / _STEP)) * _STEP


def _shape(side: int, ratio: float) -> Size:
    """Return a size with the area of a square and this width / height, at most 2.5 or 1 / 2.5."""
    ratio = min(2.5, max(1 / 2.5, ratio))
    return _round(side / ratio**0.5), _round(side * ratio**0.5)
