"""Where a detector goes wrong at a score threshold, from pycocotools' matches at IoU 0.5."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from densevision.detection.matches import FALSE, TRUE, Boxes, to_coco

SIZE_EDGES = (0, 8, 16, 32, 64, 96, 128, 256, 512)  # pixels; the last range has no end


def confusion(boxes: Boxes, threshold: float) -> np.ndarray:
    """Count which class is detected in the place of which.

    pycocotools matches detections and objects again, without regard to their classes (``useCats=0``), at IoU 0.5.
    Crowds, and detections on them, are not counted.

    Returns:
        [K + 1, K + 1] int64; rows are the classes of the objects, columns those of the detections. The last row has
        the detections of no object, the last column the objects without a detection.
    """
    coco, kept = to_coco(boxes, threshold)
    number = len(boxes.classes)
    counts = np.zeros((number + 1, number + 1), np.int64)
    truth = boxes.truth[:, 5].astype(np.int64) - 1
    free = ~boxes.crowds
    if not len(kept) or not coco.dataset["images"]:
        np.add.at(counts, (truth[free], number), 1)
        return counts
    predicted = kept[:, 6].astype(np.int64) - 1
    for one in _match_any_class(coco, kept):
        counted = ~one["dtIgnore"][0]
        matches = one["dtMatches"][0].astype(np.int64)
        rows = np.where(matches > 0, truth[matches - 1], number)
        columns = predicted[np.array(one["dtIds"], np.int64) - 1]
        np.add.at(counts, (rows[counted], columns[counted]), 1)
        missed = np.array(one["gtIds"], np.int64)[(one["gtMatches"][0] == 0) & (one["gtIgnore"] == 0)]
        np.add.at(counts, (truth[missed - 1], number), 1)
    return counts


def _match_any_class(coco: COCO, kept: np.ndarray) -> list[dict]:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, coco.loadRes(kept), "bbox")
        settings = evaluation.params
        settings.useCats, settings.iouThrs, settings.maxDets = 0, np.array([0.5]), [len(kept)]
        settings.areaRng, settings.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
    return [one for one in evaluation.evalImgs if one is not None]


@dataclass(frozen=True)
class SizeRange:
    """Objects of a range of sizes; the size of a box is the square root of its area, in pixels of the image.

    Attributes:
        low: smallest size.
        high: the next range's; None if there is no end.
        objects: number of objects, without crowds.
        missed: those of them without a detection.
    """

    low: int
    high: int | None
    objects: int
    missed: int


def missed_by_size(boxes: Boxes, threshold: float, edges: Sequence[int] = SIZE_EDGES) -> list[SizeRange]:
    """Count the missed objects by size; ranges without objects at both ends are left out."""
    missed = _missed(boxes, threshold)[~boxes.crowds]
    sizes = np.sqrt(boxes.truth[:, 3] * boxes.truth[:, 4])[~boxes.crowds]
    places = np.digitize(sizes, edges[1:])
    objects = np.bincount(places, minlength=len(edges))
    lost = np.bincount(places[missed], minlength=len(edges))
    highs = [*edges[1:], None]
    ranges = [SizeRange(*row) for row in zip(edges, highs, objects.tolist(), lost.tolist(), strict=True)]
    used = np.flatnonzero(objects)
    return ranges[used[0] : used[-1] + 1] if len(used) else []


@dataclass(frozen=True)
class ImageCounts:
    """Detections and misses in an image; see ``thresholds.Counts``."""

    image: int
    true: int
    false: int
    missed: int

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return 2 * self.true / (2 * self.true + self.false + self.missed)


def rank_images(boxes: Boxes, threshold: float) -> list[ImageCounts]:
    """Return the images with objects or detections, the worst F1 first; among equals the one with most boxes."""
    above = boxes.detections[:, 5] > threshold
    images, outcomes = boxes.detections[above, 0].astype(np.int64), boxes.outcomes[above]
    size = int(max(boxes.truth[:, 0].max(initial=0), boxes.detections[:, 0].max(initial=0))) + 1
    true, false = (np.bincount(images[outcomes == outcome], minlength=size) for outcome in (TRUE, FALSE))
    missed = _missed(boxes, threshold) & ~boxes.crowds
    lost = np.bincount(boxes.truth[missed, 0].astype(np.int64), minlength=size)
    rows = np.stack([np.arange(size), true, false, lost], axis=1)[true + false + lost > 0]
    counted = [ImageCounts(*row) for row in rows.tolist()]
    return sorted(counted, key=lambda one: (one.f1, -(one.true + one.false + one.missed)))


def _missed(boxes: Boxes, threshold: float) -> np.ndarray:
    """Return [G] bool, whether no detection above the threshold matches the box."""
    if not len(boxes.detections):
        return np.ones(len(boxes.truth), bool)
    scores = np.where(boxes.found_by >= 0, boxes.detections[boxes.found_by, 5], -1.0)
    return scores <= threshold
