"""The other images of a data set, which mosaic, mixup and copy-paste combine with the one that is loaded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from densevision.errors import UserError

Sample = dict[str, np.ndarray]  # image [H, W, 3] uint8, boxes [G, 4] float32 xyxy in its pixels, labels [G] int64

_CACHE = 256 * 2**20  # bytes of pixels that each loader process keeps
_ATTEMPTS = 100  # damaged images in a row before training gives up


class OtherImages:
    """Draws images of a data set at random, and keeps the latest ones in memory.

    What is drawn depends on the random generator alone, never on what is in memory.

    Args:
        load: index -> image with its boxes.
        labels: per image, [G] the labels of its boxes.
        classes: names in the order of the labels.
        side: images are shrunk to this on the longer side, in pixels.
        report: called with the index of an image that can't be read, and its error.
    Attributes:
        counts: [K] number of boxes of each class.
    """

    def __init__(
        self,
        load: Callable[[int], Sample],
        labels: Sequence[np.ndarray],
        classes: Sequence[str],
        side: int,
        report: Callable[[int, OSError], None],
    ):
        self._load, self._report, self.side = load, report, side
        self.classes, self._size = tuple(classes), len(labels)
        rows = np.repeat(np.arange(len(labels)), [len(one) for one in labels])
        together = np.concatenate([*labels, np.zeros(0, np.int64)])
        self.counts = np.bincount(together, minlength=len(self.classes))
        self._having = [np.unique(rows[together == label]) for label in range(len(self.classes))]
        self._kept: OrderedDict[int, Sample] = OrderedDict()
        self._bytes = 0

    def draw(self, random: np.random.Generator) -> Sample:
        """Return an image that can be read.

        The arrays belong to the cache: do not change them.

        Raises:
            UserError: many images in a row can't be read.
        """
        for _ in range(_ATTEMPTS):
            if (sample := self._try(int(random.choice(self._size)))) is not None:
                return sample
        raise UserError(f"{_ATTEMPTS} images in a row can't be read; densevision check CONFIG lists them")

    def draw_with(self, random: np.random.Generator, label: int) -> Sample | None:
        """Return an image as ``draw`` does that has a box of a class; None where all of these are damaged."""
        rows = self._having[label]
        while len(rows):
            index = int(random.choice(rows))
            if (sample := self._try(index)) is not None:
                return sample
            rows = rows[rows != index]
        return None

    def _try(self, index: int) -> Sample | None:
        try:
            return self._read(index)
        except OSError as error:
            self._report(index, error)
            return None

    def _read(self, index: int) -> Sample:
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        sample = shrink_sample(self._load(index), self.side)
        self._kept[index] = sample
        self._bytes += sample["image"].nbytes
        while self._bytes > _CACHE and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1]["image"].nbytes
        return sample


def shrink_sample(sample: Sample, side: int) -> Sample:
    """Shrink an image with its boxes to at most ``side`` pixels on the longer side."""
    height, width = sample["image"].shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return sample
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    image = cv2.resize(sample["image"], size, interpolation=cv2.INTER_AREA)
    ratio = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    return dict(image=image, boxes=sample["boxes"] * ratio, labels=sample["labels"])
