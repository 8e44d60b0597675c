"""What an evaluation of label maps keeps for the report: the confusion, and its worst and best images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

KEPT = 4  # images at each end, so that memory does not grow with the data


@dataclass(frozen=True)
class ScoredImage:
    """One image.

    Attributes:
        path: of the image.
        score: mean IoU of the classes that occur in it or are predicted, 0..1.
        pred, gt: [H, W] uint8, index into the classes; 255 in ``gt`` is ignored.
    """

    path: str
    score: float
    pred: np.ndarray
    gt: np.ndarray


@dataclass
class Extremes:
    """The images with the lowest and the highest scores so far, the most extreme first."""

    worst: list[ScoredImage] = field(default_factory=list)
    best: list[ScoredImage] = field(default_factory=list)

    def takes(self, score: float) -> bool:
        """Return whether an image with this score would be kept."""
        full = len(self.worst) == KEPT
        return not full or score < self.worst[-1].score or score > self.best[-1].score

    def add(self, image: ScoredImage) -> None:
        """Keep an image if it is among the extremes."""
        self.worst = sorted([*self.worst, image], key=lambda one: one.score)[:KEPT]
        self.best = sorted([*self.best, image], key=lambda one: -one.score)[:KEPT]

    def separate(self) -> Extremes:
        """Return the same without images in both lists: of few images, the better half is best."""
        half = min(KEPT, (len({id(one) for one in (*self.worst, *self.best)}) + 1) // 2)
        worst = self.worst[:half]
        return Extremes(worst, [one for one in self.best if all(one is not other for other in worst)])


@dataclass(frozen=True)
class PixelDetails:
    """What one evaluation found.

    Attributes:
        classes: K names.
        palette: RGB of each class.
        confusion: [K, K] pixels, rows are target classes.
        worst, best: images, the most extreme first.
    """

    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    confusion: np.ndarray
    worst: tuple[ScoredImage, ...]
    best: tuple[ScoredImage, ...]


def image_score(confusion: np.ndarray) -> float | None:
    """Return the mean IoU of the classes that occur in an image or are predicted; None without labels."""
    hit, union = np.diag(confusion), confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    return float((hit[union > 0] / union[union > 0]).mean()) if confusion.any() else None
