"""From a picture of any size to results in its own pixels. Needs NumPy and OpenCV only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from densevision.images import resize_image
from densevision.structures import Detections

if TYPE_CHECKING:
    from densevision.deploy.backends import Backend


@dataclass(frozen=True)
class Thresholds:
    """What a ``DetectionPredictor`` reports.

    Attributes:
        score: lowest score, in 0..1.
        iou: of two boxes of one class that overlap more, the weaker one goes.
        max_detections: per picture.
        candidates: per class, before non-maximum suppression.
    """

    score: float = 0.3
    iou: float = 0.6
    max_detections: int = 100
    candidates: int = 400


class DetectionPredictor:
    """Find objects.

    Args:
        backend: gives boxes and scores, see ``Backend``.
        classes: K names.
        thresholds: what to report.
        float_resize: hand the backend float32 in 0..255, not rounded to bytes after the resize.
    """

    def __init__(self, backend: Backend, classes: Sequence[str], thresholds: Thresholds = Thresholds(),  # noqa: B008
                 *, float_resize: bool = False):
        self.float_resize = float_resize
        self.classes = tuple(classes)
        self.thresholds = thresholds
        self._backend = backend

    def __call__(self, image: np.ndarray) -> Detections:
        """Find the objects of one picture.

        Args:
            image: [H, W, 3] uint8 RGB, any size.
        Returns:
            NumPy arrays; boxes in pixels of ``image``.
        """
        size = self._backend.input_size or image.shape[:2]
        pixels = image.astype(np.float32) if self.float_resize else image
        boxes, scores = self._backend(resize_image(pixels, size)[None])
        scale = np.array([image.shape[1] / size[1], image.shape[0] / size[0]] * 2, np.float32)
        found = select(boxes[0], scores[0], self.thresholds)
        limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return Detections((found.boxes * scale).clip(0, limits), found.scores, found.labels)


def select(boxes: np.ndarray, scores: np.ndarray, thresholds: Thresholds) -> Detections:
    """Keep the best boxes of one picture, by non-maximum suppression within each class.

    Args:
        boxes: [A, 4] xyxy.
        scores: [A, K] in 0..1.
    Returns:
        At most ``max_detections`` as NumPy arrays, by falling score.
    """
    kept = []  # (anchors, label)
    for label in np.flatnonzero((scores > thresholds.score).any(axis=0)):
        anchors = np.flatnonzero(scores[:, label] > thresholds.score)
        order = anchors[np.argsort(-scores[anchors, label], kind="stable")][: thresholds.candidates]
        kept += [(anchor, label) for anchor in order[suppress(boxes[order], thresholds.iou)]]
    anchors, labels = np.array(kept, np.int64).reshape(-1, 2).T
    best = np.argsort(-scores[anchors, labels], kind="stable")[: thresholds.max_detections]
    anchors, labels = anchors[best], labels[best]
    return Detections(boxes[anchors], scores[anchors, labels], labels)


def suppress(boxes: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Return the indices of the boxes [A, 4], best first, that overlap no better kept one too much."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    overlap = (np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])).clip(0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    union = area[:, None] + area[None] - overlap
    clash = overlap > iou_threshold * union  # [A, A]
    alive = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if alive[index]:
            alive[index + 1 :] &= ~clash[index, index + 1 :]
    return np.flatnonzero(alive)


class SegmentationPredictor:
    """Label every pixel.

    Args:
        backend: gives logits, see ``Backend``.
        classes: K names.
        palette: RGB colour of each class, 0..255.
    """

    def __init__(self, backend: Backend, classes: Sequence[str], palette: Sequence[tuple[int, int, int]]):
        self.classes = tuple(classes)
        self.palette = [tuple(colour) for colour in palette]
        self._backend = backend

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Label one picture [H, W, 3] uint8 RGB of any size; returns [H, W] uint8, an index into classes."""
        size = self._backend.input_size or image.shape[:2]
        (logits,) = self._backend(resize_image(image, size)[None])
        return _best_class(logits[0], image.shape[:2])


def _best_class(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge logits [h, w, K] to a size and take the best class, plane by plane to stay in the cache."""
    best = _enlarge(logits[..., 0], size).copy()
    labels = np.zeros(size, np.uint8)
    for label in range(1, logits.shape[-1]):
        plane = _enlarge(logits[..., label], size)
        labels[plane > best] = label
        cv2.max(best, plane, dst=best)
    return labels


def _enlarge(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    plane = np.ascontiguousarray(plane)
    if plane.shape == tuple(size):
        return plane
    return cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
