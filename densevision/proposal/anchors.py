"""Fit the anchors of a detector to the boxes of its data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from densevision.data.sizes import even_sample
from densevision.detection.anchors import LINEAR_SCALES
from densevision.detection.coverage import MATCHED, best_iou

_SAMPLE = 1200  # boxes that every candidate is measured on, about
_ENOUGH = 0.02  # better coverage than the default's that is worth other anchors
_EQUAL = 0.005  # candidates that differ by less are equally good: the one nearest to the default is taken
_DEFAULT = (LINEAR_SCALES[0], LINEAR_SCALES[-1], 0.1)
_FIRST = (0.06, 0.08, 0.1, 0.12, 0.15, 0.18, 0.2, 0.25, 0.3)
_LAST = (0.5, 0.65, 0.8, 0.95)
_LOWEST = (0.02, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1, 0.125, 0.15)


@dataclass(frozen=True)
class AnchorChoice:
    """The anchors for a data set.

    Attributes:
        scales: of the six maps, as for ``anchor_shapes``.
        lowest: as for ``anchor_shapes``.
        coverage: share of the boxes that an anchor matches, IoU at least 0.5.
        default_coverage: the same for the default anchors.
    """

    scales: tuple[float, ...]
    lowest: float
    coverage: float
    default_coverage: float

    @property
    def is_default(self) -> bool:
        """Whether these are the default anchors."""
        return (self.scales, self.lowest) == (LINEAR_SCALES, _DEFAULT[2])


def fit_anchors(boxes: np.ndarray, labels: np.ndarray, input_size: tuple[int, int]) -> AnchorChoice:
    """Choose scales and lowest anchor so that most boxes of every class are matched.

    Args:
        boxes: [M, 4] xyxy in pixels of the network input; M may be 0.
        labels: [M] class of each box.
        input_size: (height, width) of the network input.
    """
    if not len(boxes):
        return AnchorChoice(LINEAR_SCALES, _DEFAULT[2], 1.0, 1.0)
    rows = _sample(labels)
    sample, weights = boxes[rows], class_weights(labels[rows])
    candidates = {
        (first, last, lowest): float(weights @ _matched(sample, even_scales(first, last), lowest, input_size))
        for first, last, lowest in itertools.product(_FIRST, _LAST, _LOWEST)
        if lowest < first < last
    }
    best, default = max(candidates.values()), float(weights @ _matched(sample, LINEAR_SCALES, _DEFAULT[2], input_size))
    chosen = _DEFAULT
    if best >= default + _ENOUGH:
        chosen = min((each for each, score in candidates.items() if score >= best - _EQUAL), key=_distance)
    scales, lowest = even_scales(*chosen[:2]), chosen[2]
    covered = (_matched(boxes, *each, input_size) for each in ((scales, lowest), (LINEAR_SCALES, _DEFAULT[2])))
    return AnchorChoice(scales, lowest, *(float(matched.mean()) for matched in covered))


def _sample(labels: np.ndarray) -> np.ndarray:
    """Return rows of boxes: an even sample of as many boxes of each class, fewer where a class has fewer."""
    classes = np.unique(labels)
    rows_of = (np.flatnonzero(labels == label) for label in classes)
    return np.concatenate(
        [rows[np.array(even_sample(len(rows), max(20, _SAMPLE // len(classes))))] for rows in rows_of]
    )


def _matched(boxes: np.ndarray, scales: Sequence[float], lowest: float, input_size: tuple[int, int]) -> np.ndarray:
    return best_iou(boxes, scales, lowest, input_size) >= MATCHED


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Weight each box so that all classes weigh the same, [M] with the sum 1."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1 / counts[inverse] / len(counts)


def even_scales(first: float, last: float) -> tuple[float, ...]:
    """Six scales in even steps: ``even_scales(0.2, 0.95)`` is the default."""
    return tuple(round(float(scale), 3) for scale in np.linspace(first, last, len(LINEAR_SCALES)))


def _distance(candidate: tuple[float, float, float]) -> float:
    return float(np.abs(np.log(np.divide(candidate, _DEFAULT))).sum())
