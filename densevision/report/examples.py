"""The images with the worst and the best results, with ground truth and prediction drawn, as small JPEGs."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from densevision.classification.metric import ClassDetails, Judged
from densevision.detection.matches import Boxes
from densevision.detection.mistakes import ImageCounts, rank_images
from densevision.images import read_image
from densevision.segmentation.details import PixelDetails, ScoredImage
from densevision.structures import Detections
from densevision.visualize import Color, class_color, draw_boxes, draw_labels, draw_tags

_LONG_SIDE = 460  # pixels of an example
_EACH = 4


@dataclass(frozen=True)
class Example:
    """An image with its results.

    Attributes:
        kind: "worst" or "best".
        name: of the image file.
        caption: what is wrong or right.
        truth, prediction: JPEG as a data URL.
    """

    kind: str
    name: str
    caption: str
    truth: str
    prediction: str


def box_examples(boxes: Boxes, threshold: float) -> list[Example]:
    """Draw the images with the worst and the best F1 at a score threshold."""
    ranked = [one for one in rank_images(boxes, threshold) if one.image in boxes.images]
    worst = [one for one in ranked if one.f1 < 1][:_EACH]
    best = [one for one in reversed(ranked) if one.true and one not in worst]
    best = sorted(best, key=lambda one: (-one.f1, -one.true))[:_EACH]
    found = [("worst", one) for one in worst] + [("best", one) for one in best]
    return _readable(lambda item: _draw_boxes(boxes, threshold, *item), found)


def _draw_boxes(boxes: Boxes, threshold: float, kind: str, counts: ImageCounts) -> Example:
    image = read_image(boxes.images[counts.image], apply_exif=boxes.apply_exif)
    factor = _LONG_SIDE / max(image.shape[:2])
    small = _resize(image, factor)
    truth = boxes.truth[boxes.truth[:, 0] == counts.image]
    rows = boxes.detections[(boxes.detections[:, 0] == counts.image) & (boxes.detections[:, 5] > threshold)]
    drawn = [
        draw_boxes(small, Detections(_corners(found[:, 1:5]) * factor, scores, labels.astype(int) - 1), boxes.classes)
        for found, scores, labels in (
            (truth, np.full(len(truth), np.nan), truth[:, 5]),
            (rows, rows[:, 5], rows[:, 6]),
        )
    ]
    caption = f"{counts.true} found, {counts.missed} missed, {counts.false} false"
    return Example(kind, Path(boxes.images[counts.image]).name, caption, *map(_data_url, drawn))


def _corners(xywh: np.ndarray) -> np.ndarray:
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def pixel_examples(details: PixelDetails) -> list[Example]:
    """Draw the images with the lowest and the highest mean IoU."""
    found = [("worst", one) for one in details.worst] + [("best", one) for one in details.best]
    return _readable(lambda item: _draw_pixels(details, *item), found)


def colors_of(details: PixelDetails) -> Sequence[Color]:
    """Return the color of each class in the examples."""
    return details.palette or [class_color(label) for label in range(len(details.classes))]


def _draw_pixels(details: PixelDetails, kind: str, scored: ScoredImage) -> Example:
    image = read_image(scored.path)
    if image.shape[:2] != scored.pred.shape:
        image = read_image(scored.path, apply_exif=False)
    factor = _LONG_SIDE / max(image.shape[:2])
    small = _resize(image, factor)
    drawn = []
    for labels in (scored.gt, scored.pred):
        smaller = cv2.resize(labels, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        drawn.append(draw_labels(small, smaller, (), colors_of(details)))
    return Example(kind, Path(scored.path).name, f"mIoU {100 * scored.score:.1f}", *map(_data_url, drawn))


def class_examples(details: ClassDetails) -> list[Example]:
    """Draw the images with the surest wrong and the surest correct predictions."""
    found = [("worst", one) for one in details.worst[:_EACH]] + [("best", one) for one in details.best[:_EACH]]
    return _readable(lambda item: _draw_class(details, *item), found)


def _draw_class(details: ClassDetails, kind: str, judged: Judged) -> Example:
    image = read_image(judged.path)
    small = _resize(image, _LONG_SIDE / max(image.shape[:2]))
    truth, pred = (details.classes[label] for label in (judged.label, judged.ranked[0]))
    tags = [(truth, judged.label)], [(f"{pred} {judged.score:.2f}", judged.ranked[0])]
    caption = f"{truth}{'' if judged.correct else f' taken for {pred}'}"
    return Example(kind, Path(judged.path).name, caption, *(_data_url(draw_tags(small, tag)) for tag in tags))


def _readable(draw: Callable[[tuple], Example], items: list) -> list[Example]:
    """Draw what can be read: an image may be gone by now."""
    examples = []
    for item in items:
        try:
            examples.append(draw(item))
        except OSError:
            continue
    return examples


def _resize(image: np.ndarray, factor: float) -> np.ndarray:
    size = [max(1, math.floor(side * factor + 0.5)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST)


def _data_url(image: np.ndarray) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 82]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    return f"data:image/jpeg;base64,{base64.b64encode(content.tobytes()).decode()}"
