"""From dense scores to a short list of detections, in NumPy; ``detection.postprocess`` does it in PyTorch."""

from __future__ import annotations

import numpy as np

from densevision.structures import Detections, PostProcess


def select(boxes: np.ndarray, scores: np.ndarray, postprocess: PostProcess) -> Detections:
    """Keep the best boxes of one image, by non-maximum suppression within each class or across all.

    Args:
        boxes: [A, 4] xyxy.
        scores: [A, K] in 0..1.
    Returns:
        At most ``max_detections`` as NumPy arrays, by falling score.
    """
    if postprocess.nms == "across-classes":
        anchors, labels = _kept_across(boxes, scores, postprocess)
    else:
        anchors, labels = _kept_per_class(boxes, scores, postprocess)
    best = np.argsort(-scores[anchors, labels], kind="stable")[: postprocess.max_detections]
    anchors, labels = anchors[best], labels[best]
    return Detections(boxes[anchors], scores[anchors, labels], labels)


def _kept_across(boxes: np.ndarray, scores: np.ndarray, postprocess: PostProcess) -> tuple[np.ndarray, np.ndarray]:
    labels = scores.argmax(axis=1)
    best = scores[np.arange(len(scores)), labels]
    anchors = np.flatnonzero(best > postprocess.score_threshold)
    order = anchors[np.argsort(-best[anchors], kind="stable")]
    kept = order[nms(boxes[order], postprocess.iou_threshold, postprocess.max_detections)]
    return kept, labels[kept]


def _kept_per_class(boxes: np.ndarray, scores: np.ndarray, postprocess: PostProcess) -> tuple[np.ndarray, np.ndarray]:
    kept: list[tuple[int, int]] = []  # anchor, label
    for label in np.flatnonzero((scores > postprocess.score_threshold).any(axis=0)):
        anchors = np.flatnonzero(scores[:, label] > postprocess.score_threshold)
        order = anchors[np.argsort(-scores[anchors, label], kind="stable")][: postprocess.candidates]
        alive = nms(boxes[order], postprocess.iou_threshold, postprocess.max_detections)
        kept += [(anchor, label) for anchor in order[alive]]
    anchors, labels = np.array(kept, np.int64).reshape(-1, 2).T
    return anchors, labels


def nms(boxes: np.ndarray, iou_threshold: float, limit: int) -> np.ndarray:
    """Return the indices of the boxes that non-maximum suppression keeps.

    Args:
        boxes: [A, 4] xyxy, best first.
        iou_threshold: a box goes if it overlaps a kept one by more; 1 keeps all.
        limit: maximum number of boxes to keep.
    """
    if iou_threshold >= 1:
        return np.arange(min(limit, len(boxes)))
    kept: list[int] = []
    area, rest = (boxes[:, 2:] - boxes[:, :2]).prod(-1), np.arange(len(boxes))
    while len(rest) and len(kept) < limit:
        first, rest = rest[0], rest[1:]
        kept.append(first)
        low, high = np.maximum(boxes[rest, :2], boxes[first, :2]), np.minimum(boxes[rest, 2:], boxes[first, 2:])
        overlap = (high - low).clip(0).prod(-1)
        rest = rest[~(overlap > iou_threshold * (area[rest] + area[first] - overlap))]
    return np.array(kept, np.int64)
