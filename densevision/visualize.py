"""Draw results into images: array in, new array out, [H, W, 3] uint8 RGB."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from math import ceil

import cv2
import numpy as np

from densevision.structures import Detections

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PANEL = (24, 26, 30)
_WHITE = (255, 255, 255)
_LEGEND = 20  # classes that a legend lists in full

Color = tuple[int, int, int]


@cache
def class_color(label: int) -> Color:
    """Return the RGB color of a class; neighbors differ, and a class has the same color in every image."""
    hue = (0.02 + label * 0.381966) % 1.0  # steps of the golden angle never come close to an earlier hue
    saturation = (0.85, 0.6)[label // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_boxes(image: np.ndarray, detections: Detections, classes: Sequence[str]) -> np.ndarray:
    """Draw boxes with class name and score, the best on top.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        detections: NumPy arrays, boxes in pixels of the image; a score of NaN, as for ground truth, is not written.
        classes: name of each label.
    """
    drawn = np.ascontiguousarray(image).copy()
    thickness = max(1, round(min(drawn.shape[:2]) / 240))
    for index in reversed(range(len(detections))):
        left, top, right, bottom = (round(float(side)) for side in detections.boxes[index])
        label, score = int(detections.labels[index]), float(detections.scores[index])
        cv2.rectangle(drawn, (left, top), (right, bottom), class_color(label), thickness)
        text = classes[label] if np.isnan(score) else f"{classes[label]} {score:.2f}"
        _write_tag(drawn, text, (left, top), class_color(label))
    return drawn


def _write_tag(drawn: np.ndarray, text: str, corner: tuple[int, int], color: Color) -> None:
    """Write a text on a plate above a box's top left corner, moved into the image where needed."""
    height, width = drawn.shape[:2]
    scale = _text_scale(drawn.shape)
    (text_width, text_height), base = cv2.getTextSize(text, _FONT, scale, 1)
    plate_height, plate_width = text_height + base + 2, text_width + 4
    left = max(0, min(corner[0], width - plate_width))
    top = max(0, min(corner[1] - plate_height, height - plate_height))
    cv2.rectangle(drawn, (left, top), (left + plate_width, top + plate_height), color, -1)
    ink = (0, 0, 0) if np.dot(color, (0.3, 0.59, 0.11)) > 120 else _WHITE
    cv2.putText(drawn, text, (left + 2, top + text_height + 1), _FONT, scale, ink, 1, cv2.LINE_AA)


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
    colors = cv2.LUT(cv2.cvtColor(labels, cv2.COLOR_GRAY2RGB), table[None])
    drawn = cv2.addWeighted(image, 1 - alpha, colors, alpha, 0)
    counts = np.bincount(labels.reshape(-1), minlength=256)
    if counts[len(palette) :].any():
        unknown = labels >= len(palette)
        drawn[unknown] = image[unknown]
    listed = [label for label in range(len(classes)) if counts[label] or len(classes) <= _LEGEND]
    _write_legend(drawn, [classes[label] for label in listed], [palette[label] for label in listed])
    return drawn


def _write_legend(drawn: np.ndarray, names: Sequence[str], colors: Sequence[Color]) -> None:
    """Write names next to patches of color on a dark panel at the lower left, in columns."""
    if not names:
        return
    height, width = drawn.shape[:2]
    scale = _text_scale(drawn.shape)
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
