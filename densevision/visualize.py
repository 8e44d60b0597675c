"""Draw results into images: array in, new array out, [H, W, 3] uint8 RGB."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from math import ceil
from typing import TypeAlias

import cv2
import numpy as np

from densevision.structures import Detections

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PANEL = (24, 26, 30)
_WHITE = (255, 255, 255)
LEGEND = 20  # classes that a legend lists in full

Color = tuple[int, int, int]


@cache
def class_color(label: int) -> Color:
    """Return the RGB color of a class; neighbors differ, and a class has the same color in every image."""
    hue = (0.02 + label * 0.381966) % 1.0  # steps of the golden angle never come close to an earlier hue
    saturation = (0.85, 0.6)[label // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_boxes(
    image: np.ndarray, detections: Detections, classes: Sequence[str], tracks: Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """Draw boxes with class name and score, the best on top.

    A text is placed where it covers neither another text nor a good part of another box: above its box, below it, or
    inside; of objects that are too crowded for that, only the box is drawn.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        detections: NumPy arrays, boxes in pixels of the image; a score of NaN, as for ground truth, is not written.
        classes: name of each label.
        tracks: number of each object, written after its name; below 0 where it has none.
    """
    drawn = np.ascontiguousarray(image).copy()
    thickness = max(1, round(min(drawn.shape[:2]) / 240))
    boxes = [tuple(round(float(side)) for side in box) for box in detections.boxes]
    for box, label in reversed(list(zip(boxes, detections.labels, strict=True))):
        cv2.rectangle(drawn, box[:2], box[2:], class_color(int(label)), thickness)
    texts = []
    for row, label in enumerate(detections.labels):
        number = f" #{tracks[row]}" if tracks is not None and tracks[row] >= 0 else ""
        score = float(detections.scores[row])
        texts.append(f"{classes[int(label)]}{number}" + ("" if np.isnan(score) else f" {score:.2f}"))
    plates = _choose_plates(boxes, [_plate_size(text, drawn) for text in texts], drawn.shape)
    for text, plate, label in zip(texts, plates, detections.labels, strict=True):
        if plate is not None:
            _write_tag(drawn, text, plate, class_color(int(label)))
    return drawn


Plate: TypeAlias = tuple[int, ...]  # left, top, right, bottom


def _plate_size(text: str, drawn: np.ndarray) -> tuple[int, int]:
    (width, height), base = cv2.getTextSize(text, _FONT, _text_scale(drawn.shape), 1)
    return width + 4, height + base + 2


def _plates(box: Plate, size: tuple[int, int], shape: tuple[int, ...]) -> list[Plate]:
    """Return the places of a text of (width, height), the best first, each within the image."""
    width, height = size
    left, top, right, bottom = box
    corners = [(left, top - height), (left, bottom), (right - width, top - height), (right - width, bottom)]
    if right - left >= width and bottom - top >= 2 * height:
        corners += [(left, top), (left, bottom - height)]
    places: list[Plate] = []
    for x, y in corners:
        x, y = max(0, min(x, shape[1] - width)), max(0, min(y, shape[0] - height))
        places.append((x, y, x + width, y + height))
    return places


def _choose_plates(
    boxes: Sequence[Plate], sizes: Sequence[tuple[int, int]], shape: tuple[int, ...]
) -> list[Plate | None]:
    """Choose for each box a place that touches no text chosen before and covers less than a third of any other box.

    Args:
        sizes: (width, height) of the text of each box.
    """
    places = [_plates(box, size, shape) for box, size in zip(boxes, sizes, strict=True)]
    fits = iter(_leaves_boxes_visible(places, boxes))
    chosen: list[Plate | None] = []
    for candidates in places:
        fitting = [place for place, fit in zip(candidates, fits, strict=False) if fit]
        taken = [plate for plate in chosen if plate]
        chosen.append(next((one for one in fitting if not any(_touch(one, other) for other in taken)), None))
    return chosen


def _leaves_boxes_visible(places: Sequence[Sequence[Plate]], boxes: Sequence[Plate]) -> list[bool]:
    """Tell for all places, box by box, whether each covers less than a third of every box but its own."""
    rows = np.asarray([place for candidates in places for place in candidates], np.int64).reshape(-1, 4)
    owners = np.repeat(np.arange(len(boxes)), [len(candidates) for candidates in places])
    sides = np.asarray(boxes, np.int64).reshape(-1, 4)
    first = np.maximum(rows[:, None, :2], sides[None, :, :2])
    last = np.minimum(rows[:, None, 2:], sides[None, :, 2:])
    shared = (last - first).clip(0).prod(-1)
    hidden = 3 * shared >= (sides[:, 2:] - sides[:, :2]).clip(0).prod(-1).clip(1)
    hidden[np.arange(len(rows)), owners] = False
    return [not covered for covered in hidden.any(1).tolist()]


def _touch(one: Plate, other: Plate) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _write_tag(drawn: np.ndarray, text: str, plate: Plate, color: Color) -> None:
    """Write a text on a colored plate."""
    left, top, right, bottom = plate
    scale = _text_scale(drawn.shape)
    text_height = cv2.getTextSize(text, _FONT, scale, 1)[0][1]
    cv2.rectangle(drawn, (left, top), (right, bottom), color, -1)
    ink = (0, 0, 0) if np.dot(color, (0.3, 0.59, 0.11)) > 120 else _WHITE
    cv2.putText(drawn, text, (left + 2, top + text_height + 1), _FONT, scale, ink, 1, cv2.LINE_AA)


def draw_caption(drawn: np.ndarray, text: str) -> None:
    """Write a text on a dark panel in the upper right corner of [H, W, 3] uint8 RGB, in place."""
    width, height = _plate_size(text, drawn)
    left = max(0, drawn.shape[1] - width)
    panel = drawn[:height, left:]
    panel[:] = cv2.addWeighted(panel, 0.3, np.full_like(panel, _PANEL), 0.7, 0)
    scale = _text_scale(drawn.shape)
    text_height = cv2.getTextSize(text, _FONT, scale, 1)[0][1]
    cv2.putText(drawn, text, (left + 2, text_height + 1), _FONT, scale, _WHITE, 1, cv2.LINE_AA)


def draw_classes(image: np.ndarray, scores: np.ndarray, classes: Sequence[str], most: int = 3) -> np.ndarray:
    """Write the best classes into the upper left corner, each in its color.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        scores: [K] in 0..1; classes with NaN are left out.
        classes: K names.
        most: number of classes.
    """
    best = [label for label in np.argsort(-scores, kind="stable")[:most].tolist() if not np.isnan(scores[label])]
    return draw_tags(image, [(f"{classes[label]} {scores[label]:.2f}", label) for label in best])


def draw_tags(image: np.ndarray, tags: Sequence[tuple[str, int]]) -> np.ndarray:
    """Write texts below each other into the upper left corner of a copy, each on the color of its label."""
    drawn = np.ascontiguousarray(image).copy()
    top = 0
    for text, label in tags:
        width, height = _plate_size(text, drawn)
        _write_tag(drawn, text, (0, top, width, top + height), class_color(label))
        top += height
    return drawn


def enlarge_image(image: np.ndarray, side: int) -> np.ndarray:
    """Enlarge [H, W, 3] uint8, so that the shorter side has at least ``side`` pixels."""
    factor = side / min(image.shape[:2])
    if factor <= 1:
        return image
    width, height = (round(factor * pixels) for pixels in image.shape[1::-1])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def draw_truth(image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Draw boxes of the ground truth, which have no scores.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        boxes: [G, 4] xyxy in pixels of the image.
        labels: [G].
        classes: name of each label.
    """
    return draw_boxes(image, Detections(boxes, np.full(len(boxes), np.nan, np.float32), labels), classes)


def _text_scale(shape: tuple[int, ...]) -> float:
    return max(0.3, min(shape[:2]) / 900)


def draw_labels(
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Color],
    alpha: float = 0.5,
) -> np.ndarray:
    """Blend a label map over an image and list the classes.

    All are listed, so that the legend of a video does not move; of more than 20 classes only those that occur.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        labels: [H, W] uint8, index into classes; where it has another value (255) the image is not colored.
        classes: name of each label.
        palette: RGB color of each label.
        alpha: weight of the colors, 0..1.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    drawn = cv2.addWeighted(image, 1 - alpha, cv2.applyColorMap(labels, table[:, None]), alpha, 0)
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).reshape(-1)
    if counts[len(palette) :].any():
        unknown = labels >= len(palette)
        drawn[unknown] = image[unknown]
    listed = [label for label in range(len(classes)) if counts[label] or len(classes) <= LEGEND]
    _write_legend(drawn, [classes[label] for label in listed], [palette[label] for label in listed])
    return drawn


def _write_legend(
    drawn: np.ndarray, names: Sequence[str], colors: Sequence[Color], *, scale: float | None = None
) -> None:
    """Write names next to patches of color on a dark panel at the lower left, in columns."""
    if not names:
        return
    height, width = drawn.shape[:2]
    scale = scale or _text_scale(drawn.shape)
    sizes = [cv2.getTextSize(name, _FONT, scale, 1)[0] for name in names]
    row = max(text_height for _, text_height in sizes) + 7
    column = max(text_width for text_width, _ in sizes) + row + 10
    rows = max(1, min(len(names), (height - 8) // row))
    columns = ceil(len(names) / rows)
    left, top = 4, height - 6 - rows * row
    panel = drawn[max(top, 0) : height - 2, left : min(width, left + columns * column)]
    panel[:] = cv2.addWeighted(panel, 0.3, np.full_like(panel, _PANEL), 0.7, 0)
    for index, (name, color) in enumerate(zip(names, colors, strict=True)):
        x, y = left + index // rows * column + 4, top + index % rows * row + 3
        cv2.rectangle(drawn, (x, y), (x + row - 6, y + row - 6), [int(channel) for channel in color], -1)
        cv2.putText(drawn, name, (x + row, y + row - 7), _FONT, scale, _WHITE, 1, cv2.LINE_AA)


def legend_strip(size: tuple[int, int], names: Sequence[str], colors: Sequence[Color]) -> np.ndarray:
    """Draw names next to patches of color, to stand at the right of an image.

    Args:
        size: (height, width) of the image.
    Returns:
        [height, W, 3] uint8 RGB, as wide as the names need.
    """
    scale = _text_scale(size)
    sizes = [cv2.getTextSize(name, _FONT, scale, 1)[0] for name in names]
    row = max(text_height for _, text_height in sizes) + 7
    column = max(text_width for text_width, _ in sizes) + row + 12
    rows = max(1, min(len(names), (size[0] - 8) // row))
    strip = np.full((size[0], ceil(len(names) / rows) * column, 3), _PANEL, np.uint8)
    _write_legend(strip[: rows * row + 8], names, colors, scale=scale)
    return strip


def side_by_side(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> np.ndarray:
    """Join images into a grid whose columns have titles, e.g. ground truth next to prediction.

    Args:
        rows: images [H, W, 3] uint8 RGB, a list per row; all are resized to the size of the first.
        titles: one per column.
    """
    height, width = rows[0][0].shape[:2]
    gap = max(2, width // 160)
    scale = 1.3 * _text_scale((height, width))
    text_height = cv2.getTextSize("Tg", _FONT, scale, 1)[0][1]
    bar = 2 * text_height + 4
    size = (bar + len(rows) * (height + gap) - gap, len(titles) * (width + gap) - gap)
    grid = np.full((*size, 3), _PANEL, np.uint8)
    for column, title in enumerate(titles):
        x = column * (width + gap)
        cv2.putText(grid, title, (x + 6, bar - text_height // 2 - 2), _FONT, scale, _WHITE, 1, cv2.LINE_AA)
        for row, images in enumerate(rows):
            y = bar + row * (height + gap)
            grid[y : y + height, x : x + width] = cv2.resize(images[column], (width, height))
    return grid
