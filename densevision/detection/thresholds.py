"""Precision, recall and F1 over the score threshold, from pycocotools' matches at IoU 0.5."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from densevision.detection.matches import FALSE, TRUE, Boxes


@dataclass(frozen=True)
class Counts:
    """What is found at a score threshold.

    Attributes:
        threshold: detections with a higher score count.
        true: detections of an object.
        false: other detections.
        missed: objects without a detection.
    """

    threshold: float
    true: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the detections that are of an object; NaN without detections."""
        return self.true / (self.true + self.false) if self.true + self.false else math.nan

    @property
    def recall(self) -> float:
        """Share of the objects that are detected; NaN without objects."""
        return self.true / (self.true + self.missed) if self.true + self.missed else math.nan

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN without objects."""
        return 2 * self.true / (2 * self.true + self.false + self.missed) if self.true + self.missed else math.nan


def count_at(boxes: Boxes, threshold: float) -> list[Counts]:
    """Count the detections of each class with scores above a threshold.

    A detection never takes the match of one with a higher score, so one evaluation gives the matches at any threshold.
    """
    above = boxes.detections[:, 5] > threshold
    labels = boxes.detections[:, 6].astype(np.int64) - 1
    number = len(boxes.classes)
    true, false = (
        np.bincount(labels[above & (boxes.outcomes == outcome)], minlength=number) for outcome in (TRUE, FALSE)
    )
    missed = boxes.objects() - true
    return [Counts(threshold, *row) for row in np.stack([true, false, missed], axis=1).tolist()]


def best_counts(boxes: Boxes) -> list[Counts | None]:
    """Return the counts of each class at the threshold with its best F1; None without a detected object."""
    found: list[Counts | None] = []
    for label in range(len(boxes.classes)):
        scores, f1 = _f1_curve(boxes, label)
        threshold = _best(scores, f1)
        found.append(None if threshold is None else count_at(boxes, threshold)[label])
    return found


def best_threshold(boxes: Boxes) -> tuple[float, float] | None:
    """Find the score threshold with the best F1, as the mean over the classes with objects.

    Returns:
        The threshold, a thousandth below the last detection that it keeps, and the mean F1 there; None if no object is
        detected.
    """
    scores, f1 = mean_f1_curve(boxes)
    threshold = _best(scores, f1)
    if threshold is None:
        return None
    return threshold, float(np.nanmean([counts.f1 for counts in count_at(boxes, threshold)]))


def mean_f1_curve(boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Return falling scores [n], and the F1 of all detections down to each, as the mean over classes with objects."""
    present = np.flatnonzero(boxes.objects())
    curves = [_f1_curve(boxes, int(label)) for label in present]
    if not curves:
        return np.zeros(0), np.zeros(0)
    scores = np.concatenate([scores for scores, _ in curves])
    steps = np.concatenate([np.diff(f1, prepend=0) for _, f1 in curves])
    order = np.argsort(-scores, kind="stable")
    return _last_of_equals(scores[order], np.cumsum(steps[order]) / len(present))


def _f1_curve(boxes: Boxes, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Return falling scores, and the F1 of one class down to each."""
    rows = (boxes.detections[:, 6] == label + 1) & (boxes.outcomes >= FALSE)
    scores, true = boxes.detections[rows, 5], boxes.outcomes[rows] == TRUE
    order = np.argsort(-scores, kind="stable")
    found, taken = np.cumsum(true[order]), np.arange(1, len(order) + 1)
    return _last_of_equals(scores[order], 2 * found / (taken + boxes.objects()[label]))


def _last_of_equals(scores: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    return scores[last], values[last]


def _best(scores: np.ndarray, f1: np.ndarray) -> float | None:
    if not len(f1) or not f1.max() > 0:
        return None
    # Predictors report scores above the threshold, so it is below that of the last detection to keep.
    best = float(scores[np.flatnonzero(f1 > f1.max() - 1e-12)[0]])
    return math.ceil(best * 1000 - 1.001) / 1000 if best > 0.002 else best / 2  # .001: scores are float32
