"""Augmentations that combine several images with boxes: mosaic, mixup and copy-paste of rare classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Protocol

import cv2
import numpy as np

from densevision.detection.other_images import OtherImages, Sample, shrink_sample
from densevision.errors import UserError, did_you_mean, listed
from densevision.registry import TRANSFORMS
from densevision.structures import check_range

_GRAY = 127
_LEAST_SIDE = 2.0  # pixels; a narrower box is removed
_PLACES = 10  # where copy-paste tries to put an object
_MARGIN = 0.15  # of an object's side; the pasted pixels fade out over it


class Mixer(Protocol):
    """What ``Mixing`` needs of an augmentation; ``p`` is its probability."""

    p: float

    def __call__(self, sample: Sample, others: OtherImages, random: np.random.Generator) -> Sample:
        """Return a new sample; neither the given one nor those of ``others`` may be changed."""
        ...


class Mixing:
    """A chain of augmentations that combine images; a pure function of a seed.

    Args:
        mixers: config dicts such as ``dict(type=BoxMosaic, p=0.5)``; each is applied with its probability, in order.
        classes: names in the order of the labels.
    Raises:
        UserError: an entry is something else, or has an invalid value.
    """

    def __init__(self, mixers: Sequence[dict], classes: Sequence[str]):
        if not isinstance(mixers, list | tuple):
            raise UserError(f"mix in the data set is {mixers!r}; give a list, such as [dict(type=BoxMosaic, p=0.5)]")
        self.mixers = [_build(mixer) for mixer in mixers]
        for mixer in self.mixers:
            for name in getattr(mixer, "classes", None) or ():
                if name not in classes:
                    near = did_you_mean(str(name), classes) or f"the data have {listed(classes, 12)}"
                    raise UserError(f"mix, BoxCopyPaste: no class {name!r}; {near}")

    def __call__(self, seed: int, sample: Sample, others: OtherImages) -> Sample:
        """Combine a sample with others; without one that applies, return it as it is."""
        random = np.random.default_rng([seed, 1])  # the seed alone starts the transforms' generator
        applied = [mixer for mixer in self.mixers if random.random() < mixer.p]
        if applied:
            sample = shrink_sample(sample, others.side)
        for mixer in applied:
            sample = mixer(sample, others, random)
        return sample


def _build(mixer: Any) -> Mixer:
    if not isinstance(mixer, dict):
        raise UserError(f"mix has {mixer!r}; give a dict, such as dict(type=BoxMosaic, p=0.5)")
    name = getattr(mixer.get("type"), "__name__", mixer.get("type"))
    try:
        built = TRANSFORMS.build(mixer)
    except (TypeError, KeyError) as error:
        raise UserError(f"mix, {name}: {' '.join(str(error).split())}") from error
    if not isinstance(built, BoxMosaic | BoxMixUp | BoxCopyPaste):
        raise UserError(f"mix, {name}: it takes BoxMosaic, BoxMixUp and BoxCopyPaste; others go into transforms")
    return built


@TRANSFORMS.register_module()
class BoxMosaic:
    """Divide the image into four parts at a random point, and show another image in each.

    A part shows a random section of its image, resized so that the objects are ``scale`` times as large as without
    the mosaic; where the image is too small for the part, the rest is gray. Boxes are clipped to the part.

    Args:
        p: probability.
        scale: (lowest, highest); each image has its own.
        min_visible: boxes of which a smaller share of the area is visible are removed, in 0..1.
    Raises:
        UserError: a value is out of its range.
    Source: Bochkovskiy et al. 2020 (YOLOv4); point, scale and filter of YOLOX and Ultralytics.
    Departs: each image has its own scale and section, in place of one affine transform of the whole mosaic.
    """

    def __init__(self, p: float = 0.5, scale: Sequence[float] = (0.5, 1.5), min_visible: float = 0.1):
        check_range("BoxMosaic.p", p, low=0, high=1)
        check_range("BoxMosaic.min_visible", min_visible, low=0, high=1)
        self.p, self.min_visible, self.scale = p, min_visible, _check_scale("BoxMosaic.scale", scale)

    def __call__(self, sample: Sample, others: OtherImages, random: np.random.Generator) -> Sample:
        height, width = sample["image"].shape[:2]
        row, column = int(random.uniform(0.25, 0.75) * height), int(random.uniform(0.25, 0.75) * width)
        samples = [sample, *(others.draw(random) for _ in range(3))]
        places = product([(0, row), (row, height)], [(0, column), (column, width)])
        image, found = np.full_like(sample["image"], _GRAY), []
        for number, ((top, bottom), (left, right)) in zip(random.permutation(4), places, strict=True):
            part = image[top:bottom, left:right]
            boxes, labels = self._fill(part, samples[number], (height, width), random)
            found.append((boxes + np.array([left, top] * 2, np.float32), labels))
        boxes, labels = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return dict(image=image, boxes=boxes, labels=labels)

    def _fill(
        self, part: np.ndarray, sample: Sample, whole: tuple[int, int], random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a section of an image into ``part``; return its boxes there, and their labels."""
        scale, free = random.uniform(*self.scale), random.random(2)
        if not part.size:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
        size = np.array(part.shape[1::-1], float)  # width, height, as all below
        resized = scale * np.array(whole[::-1])
        factor = resized / sample["image"].shape[1::-1]
        offset = np.minimum(0, size - resized) + free * np.abs(size - resized)
        shift = offset + 0.5 * factor - 0.5  # between pixel centers
        matrix = np.array([[factor[0], 0, shift[0]], [0, factor[1], shift[1]]])
        part[:] = cv2.warpAffine(sample["image"], matrix, part.shape[1::-1], borderValue=(_GRAY,) * 3)
        moved = (sample["boxes"] * np.tile(factor, 2) + np.tile(offset, 2)).astype(np.float32)
        return clip_boxes(moved, sample["labels"], part.shape[:2], self.min_visible)


@TRANSFORMS.register_module()
class BoxMixUp:
    """Blend the image with another one, resized to its size, and keep the boxes of both.

    Args:
        p: probability.
        alpha: the image's share is drawn from Beta(alpha, alpha); 32 gives 0.3 to 0.7.
    Raises:
        UserError: a value is out of its range.
    Source: Zhang et al. 2018 (mixup); for boxes as YOLOX and Ultralytics, which count all boxes alike.
    """

    def __init__(self, p: float = 0.15, alpha: float = 32.0):
        check_range("BoxMixUp.p", p, low=0, high=1)
        check_range("BoxMixUp.alpha", alpha, low=0, with_low=False)
        self.p, self.alpha = p, alpha

    def __call__(self, sample: Sample, others: OtherImages, random: np.random.Generator) -> Sample:
        other, share = others.draw(random), random.beta(self.alpha, self.alpha)
        height, width = sample["image"].shape[:2]
        factor = np.array([width / other["image"].shape[1], height / other["image"].shape[0]] * 2, np.float32)
        resized = cv2.resize(other["image"], (width, height), interpolation=cv2.INTER_LINEAR)
        return dict(
            image=cv2.addWeighted(sample["image"], share, resized, 1 - share, 0),
            boxes=np.concatenate([sample["boxes"], other["boxes"] * factor]),
            labels=np.concatenate([sample["labels"], other["labels"]]),
        )


@TRANSFORMS.register_module()
class BoxCopyPaste:
    """Paste objects of rare classes, cut from other images along their boxes, with soft edges.

    A class is chosen with a probability that is inverse to its number of boxes. The object gets a random size and a
    random place where it hides little; where none is found, it is left out. Objects of which at least half lies in
    its box are pasted with it.

    Args:
        p: probability.
        count: number of objects.
        scale: (lowest, highest) factor of the object's size.
        max_overlap: share of the area that a pasted object and any box may have in common, of the smaller of both.
        classes: names of the classes to choose from; None for all.
    Raises:
        UserError: a value is out of its range.
    Source: Dwibedi et al. 2017 (cut, paste and learn); Ghiasi et al. 2021, with boxes in place of masks.
    """

    def __init__(
        self,
        p: float = 0.5,
        count: int = 2,
        scale: Sequence[float] = (0.75, 1.33),
        max_overlap: float = 0.3,
        classes: Sequence[str] | None = None,
    ):
        check_range("BoxCopyPaste.p", p, low=0, high=1)
        check_range("BoxCopyPaste.max_overlap", max_overlap, low=0, high=1)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UserError(f"BoxCopyPaste.count is {count!r}; give a whole number from 1")
        if classes is not None and (isinstance(classes, str) or not isinstance(classes, list | tuple) or not classes):
            raise UserError(f"BoxCopyPaste.classes is {classes!r}; give a list of names, or None for all")
        self.p, self.count, self.max_overlap, self.classes = p, count, max_overlap, classes
        self.scale = _check_scale("BoxCopyPaste.scale", scale)

    def __call__(self, sample: Sample, others: OtherImages, random: np.random.Generator) -> Sample:
        chosen = [self.classes is None or name in self.classes for name in others.classes]
        weights = np.where(chosen, 1 / np.maximum(others.counts, 1), 0.0) * (others.counts > 0)
        if not weights.any():
            return sample
        sample = dict(sample, image=sample["image"].copy())
        for label in random.choice(len(weights), self.count, p=weights / weights.sum()):
            other = others.draw_with(random, int(label))
            if other is None:
                continue
            box = random.choice(other["boxes"][other["labels"] == label])
            sample = self._paste(sample, other, box, random)
        return sample

    def _paste(self, sample: Sample, other: Sample, box: np.ndarray, random: np.random.Generator) -> Sample:
        """Paste what ``other`` shows in ``box``; change the sample's pixels and return it with more boxes."""
        image = sample["image"]
        height, width = image.shape[:2]
        factor = random.uniform(*self.scale) * np.array([width, height]) / other["image"].shape[1::-1]
        size = (box[2:] - box[:2]) * factor
        corner = self._place(sample["boxes"], size, (height, width), random)
        if corner is None:
            return sample
        _blend(image, other["image"], box, factor, corner)
        together = share_inside(other["boxes"], box) >= 0.5
        corners = (other["boxes"][together] - np.tile(box[:2], 2)) * np.tile(factor, 2)
        boxes, labels = clip_boxes(corners, other["labels"][together], (size[1], size[0]), 0.0)
        boxes = (boxes + np.tile(corner, 2)).astype(np.float32)
        return dict(
            image=image,
            boxes=np.concatenate([sample["boxes"], boxes]),
            labels=np.concatenate([sample["labels"], labels]),
        )

    def _place(
        self, boxes: np.ndarray, size: np.ndarray, whole: tuple[int, int], random: np.random.Generator
    ) -> np.ndarray | None:
        """Return the x and y of the upper left corner of a free place; None if none was found."""
        space = np.array(whole[::-1]) - size
        if (space < 0).any() or (size < _LEAST_SIDE).any():
            return None
        for corner in random.random((_PLACES, 2)) * space:
            place = np.concatenate([corner, corner + size])
            shared = share_inside(boxes, place) * areas(boxes)
            if (shared <= self.max_overlap * np.minimum(areas(boxes), size.prod())).all():
                return corner
        return None


def _blend(image: np.ndarray, source: np.ndarray, box: np.ndarray, factor: np.ndarray, corner: np.ndarray) -> None:
    """Draw what ``source`` shows in ``box`` into ``image`` at ``corner``; it fades out over a margin around the box."""
    size = (box[2:] - box[:2]) * factor
    margin = np.maximum(2.0, _MARGIN * size)
    low = np.maximum(0, np.floor(corner - margin)).astype(int)
    high = np.minimum(image.shape[1::-1], np.ceil(corner + size + margin)).astype(int)
    offset = corner - box[:2] * factor - low  # of the source's origin in the region
    shift = offset + 0.5 * factor - 0.5
    matrix = np.array([[factor[0], 0, shift[0]], [0, factor[1], shift[1]]])
    columns, rows = (int(pixels) for pixels in high - low)
    drawn = cv2.warpAffine(source, matrix, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = []
    for axis, count in enumerate((columns, rows)):
        at = np.arange(count) + 0.5 + low[axis]
        outside = np.maximum(corner[axis] - at, at - corner[axis] - size[axis]).clip(min=0)
        inside.append((1 - outside / margin[axis]).clip(min=0))
    alpha = np.minimum(inside[0][None], inside[1][:, None])[..., None]
    region = image[low[1] : high[1], low[0] : high[0]]
    region[:] = np.rint(alpha * drawn + (1 - alpha) * region).astype(np.uint8)


def clip_boxes(
    boxes: np.ndarray, labels: np.ndarray, size: tuple[float, float], min_visible: float
) -> tuple[np.ndarray, np.ndarray]:
    """Clip [G, 4] xyxy to (height, width); remove boxes under 2 pixels, or of which too little is visible."""
    clipped = np.clip(boxes, 0, [size[1], size[0], size[1], size[0]]).astype(np.float32)
    sides = clipped[:, 2:] - clipped[:, :2]
    kept = (sides >= _LEAST_SIDE).all(axis=1) & (areas(clipped) >= min_visible * areas(boxes))
    return clipped[kept], labels[kept]


def areas(boxes: np.ndarray) -> np.ndarray:
    """[G, 4] xyxy -> [G]."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def share_inside(boxes: np.ndarray, place: np.ndarray) -> np.ndarray:
    """[G, 4] xyxy of positive size, [4] xyxy -> [G] the share of each box's area that is in the place."""
    sides = np.minimum(boxes[:, 2:], place[2:]) - np.maximum(boxes[:, :2], place[:2])
    return sides.clip(min=0).prod(axis=1) / areas(boxes)


def _check_scale(name: str, scale: object) -> tuple[float, float]:
    if isinstance(scale, str) or not isinstance(scale, Sequence) or len(scale) != 2:
        raise UserError(f"{name} is {scale!r}; give two numbers, the lowest and the highest")
    for value in scale:
        check_range(f"a number in {name}", value, low=0, with_low=False)
    if scale[0] > scale[1]:
        raise UserError(f"{name} is {scale!r}; the lowest comes first")
    return float(scale[0]), float(scale[1])
