"""What an evaluation found, box by box: pycocotools' own matches at IoU 0.5, in flat arrays."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

TRUE, FALSE, IGNORED = 1, 0, -1  # outcomes of a detection
_IOU = 0.5
_MOST = 100  # detections per image and class that are evaluated


@dataclass(frozen=True)
class Boxes:
    """The D detections and G ground-truth boxes of an evaluation, and how pycocotools matched them at IoU 0.5.

    Attributes:
        classes: K names.
        detections: [D, 7] float64: image number, x, y, width, height, score, category 1..K, as ``COCO.loadRes`` takes.
        outcomes: [D] int8: ``TRUE``, ``FALSE``, or ``IGNORED`` (on a crowd, or beyond 100 per image and class).
        truth: [G, 6] float64: image number, x, y, width, height, category.
        areas: [G] float64, as the annotations give them.
        crowds: [G] bool.
        found_by: [G] int64, row of the detection that matches the box, -1 if none does.
        recalls: [R] recall of each point of the curves.
        precision, scores: [R, K] of ``COCOeval.eval`` at IoU 0.5; -1 in the column of a class without objects.
        average: [K, 2] AP and AP50, -1 for a class without objects.
        images: image number -> path of the image.
        apply_exif: whether the boxes are of the images as their EXIF tag rotates them.
    """

    classes: tuple[str, ...]
    detections: np.ndarray
    outcomes: np.ndarray
    truth: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray
    found_by: np.ndarray
    recalls: np.ndarray
    precision: np.ndarray
    scores: np.ndarray
    average: np.ndarray
    images: Mapping[int, str]
    apply_exif: bool = True

    def objects(self) -> np.ndarray:
        """Return the number of objects of each class, [K], without crowds."""
        labels = self.truth[~self.crowds, 5].astype(np.int64) - 1
        return np.bincount(labels, minlength=len(self.classes))


def collect_boxes(
    evaluation: COCOeval,
    detections: np.ndarray,
    classes: Sequence[str],
    average: np.ndarray,
    images: Mapping[int, str],
    *,
    apply_exif: bool = True,
) -> Boxes:
    """Gather what a finished evaluation matched.

    Args:
        evaluation: from ``evaluate_boxes``, of categories 1..K.
        detections: [D, 7], which were evaluated.
        average, images, apply_exif: see ``Boxes``.
    """
    annotations = evaluation.cocoGt.dataset["annotations"]
    truth = _table([(one["image_id"], *one["bbox"], one["category_id"]) for one in annotations], 6)
    areas = np.array([one["area"] for one in annotations], float)
    crowds = np.array([one["iscrowd"] for one in annotations], bool)
    if evaluation.evalImgs:
        outcomes, found_by = _read_matches(evaluation, len(detections), len(truth))
    else:  # another backend than pycocotools computed it
        outcomes, found_by = match_boxes(detections, truth, areas, crowds)
    first = int(np.flatnonzero(np.isclose(evaluation.params.iouThrs, 0.5))[0])
    return Boxes(
        tuple(classes),
        detections,
        outcomes,
        truth,
        areas,
        crowds,
        found_by,
        np.asarray(evaluation.params.recThrs, float),
        evaluation.eval["precision"][first, :, :, 0, -1],  # all areas, up to 100 detections
        evaluation.eval["scores"][first, :, :, 0, -1],
        average,
        images,
        apply_exif,
    )


def _table(rows: list[tuple], columns: int) -> np.ndarray:
    return np.array(rows, float).reshape(-1, columns)


def _read_matches(evaluation: COCOeval, detections: int, truth: int) -> tuple[np.ndarray, np.ndarray]:
    outcomes, found_by = np.full(detections, IGNORED, np.int8), np.full(truth, -1, np.int64)
    images, areas = len(evaluation.params.imgIds), len(evaluation.params.areaRng)
    for first in range(
        0, len(evaluation.evalImgs), max(1, images * areas)
    ):  # by category, area range (first all), image
        entries = [one for one in evaluation.evalImgs[first : first + images] if one is not None]
        if not entries:
            continue
        ids, matched, ignored = (
            np.concatenate([one[key] if key == "dtIds" else one[key][0] for one in entries])
            for key in ("dtIds", "dtMatches", "dtIgnore")
        )
        outcomes[ids.astype(np.int64) - 1] = np.where(ignored, IGNORED, np.where(matched > 0, TRUE, FALSE))
        ids = np.concatenate([one["gtIds"] for one in entries])
        matched = np.concatenate([one["gtMatches"][0] for one in entries])
        found_by[ids.astype(np.int64) - 1] = matched.astype(np.int64) - 1
    return outcomes, found_by


def match_boxes(
    detections: np.ndarray, truth: np.ndarray, areas: np.ndarray, crowds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match detections and objects of each image and class at IoU 0.5, as pycocotools does.

    Args:
        detections, truth, areas, crowds: see ``Boxes``.
    Returns:
        ``outcomes`` and ``found_by`` of ``Boxes``.
    """
    found_by = np.full(len(truth), -1, np.int64)
    outcomes = np.where(_in_range(detections[:, 3] * detections[:, 4]), FALSE, IGNORED).astype(np.int8)
    ignored = crowds | ~_in_range(areas)
    of_truth = _groups(truth[:, 0], truth[:, 5], ignored)
    for pair, rows in _groups(detections[:, 0], detections[:, 6], -detections[:, 5]).items():
        outcomes[rows[_MOST:]] = IGNORED
        objects = of_truth.get(pair)
        if objects is None:
            continue
        rows = rows[:_MOST]
        ious = mask.iou(detections[rows, 1:5], truth[objects, 1:5], crowds[objects].astype(np.uint8).tolist())
        matches = _match(ious, ignored[objects], crowds[objects])
        for row, match in zip(rows[matches >= 0], objects[matches[matches >= 0]], strict=True):
            outcomes[row], found_by[match] = IGNORED if ignored[match] else TRUE, row
    return outcomes, found_by


def _in_range(areas: np.ndarray) -> np.ndarray:
    return (areas >= 0) & (areas <= 1e10)  # COCO's "all"


def _groups(images: np.ndarray, categories: np.ndarray, ranks: np.ndarray) -> dict[tuple[float, float], np.ndarray]:
    """Return the rows of each image and category, by rank, equals in their order."""
    order = np.lexsort((ranks, categories, images))
    keys = np.stack([images, categories], axis=1)[order]
    starts = np.flatnonzero(np.any(keys[1:] != keys[:-1], axis=1)) + 1
    firsts = keys[np.append(0, starts)] if len(keys) else keys
    return dict(zip(map(tuple, firsts.tolist()), np.split(order, starts), strict=False))


def _match(ious: np.ndarray, ignored: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """Return the object of each detection, or -1: the largest IoU of those left, objects before ignored ones.

    Args:
        ious: [D, G]; detections by falling score, ignored objects last.
    """
    matches, taken = np.full(len(ious), -1), np.zeros(len(ignored), bool)
    for row in np.flatnonzero((ious >= _IOU).any(axis=1)):
        for among in (~ignored, ignored):
            free = np.flatnonzero(among & (crowds | ~taken) & (ious[row] >= _IOU))
            if len(free):
                best = free[ious[row, free] == ious[row, free].max()][-1]  # of equals the last
                matches[row], taken[best] = best, True
                break
    return matches


def to_coco(boxes: Boxes, threshold: float) -> tuple[COCO, np.ndarray]:
    """Return the ground truth for pycocotools again, and the detections with higher scores than a threshold."""
    numbers = np.unique(np.concatenate([boxes.truth[:, 0], boxes.detections[:, 0]])).astype(int)
    rows = zip(boxes.truth.tolist(), boxes.areas.tolist(), boxes.crowds.tolist(), strict=True)
    coco = COCO()
    coco.dataset = dict(
        info={},
        images=[dict(id=number) for number in numbers.tolist()],
        categories=[dict(id=label) for label in range(1, len(boxes.classes) + 1)],
        annotations=[
            dict(id=id_, image_id=int(row[0]), bbox=row[1:5], category_id=int(row[5]), area=area, iscrowd=int(crowd))
            for id_, (row, area, crowd) in enumerate(rows, start=1)
        ],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco, boxes.detections[boxes.detections[:, 5] > threshold]
