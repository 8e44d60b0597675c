"""Draw results into pictures: array in, new array out, [H, W, 3] uint8 RGB."""

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
    """Return the RGB color of a class; neighbors differ, and a class keeps its color in every picture."""
    hue = (0.02 + label * 0.381966) % 1.0  # steps of the golden angle never come close to an earlier hue
    saturation = (0.85, 0.6)[label // 8 % 2]
    return tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, 0.95))


def draw_boxes(image: np.ndarray, detections: Detections, classes: Sequence[str]) -> np.ndarray:
    """Draw boxes with class name and score, the best on top.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        detections: NumPy arrays, boxes in pixels of the image; a score of NaN, as of ground truth, is not written.
        classes: name of each label.
    """
    picture = np.ascontiguousarray(image).copy()
    thick = max(1, round(min(picture.shape[:2]) / 240))
    for index in reversed(range(len(detections))):
        left, top, right, bottom = (round(float(side)) for side in detections.boxes[index])
        label, score = int(detections.labels[index]), float(detections.scores[index])
        cv2.rectangle(picture, (left, top), (right, bottom), class_color(label), thick)
        text = classes[label] if np.isnan(score) else f"{classes[label]} {score:.2f}"
        _tag(picture, text, (left, top), class_color(label))
    return picture


def _tag(picture: np.ndarray, text: str, corner: tuple[int, int], color: Color) -> None:
    """Write a text on a plate above a box's top left corner, pushed back into the frame where needed."""
    height, width = picture.shape[:2]
    scale = _text_scale(picture.shape)
    (wide, tall), base = cv2.getTextSize(text, _FONT, scale, 1)
    plate_height, plate_width = tall + base + 2, wide + 4
    left = max(0, min(corner[0], width - plate_width))
    top = max(0, min(corner[1] - plate_height, height - plate_height))
    cv2.rectangle(picture, (left, top), (left + plate_width, top + plate_height), color, -1)
    ink = (0, 0, 0) if np.dot(color, (0.3, 0.59, 0.11)) > 120 else _WHITE
    cv2.putText(picture, text, (left + 2, top + tall + 1), _FONT, scale, ink, 1, cv2.LINE_AA)


def _text_scale(shape: tuple[int, ...]) -> float:
    return max(0.3, min(shape[:2]) / 900)


def draw_labels(
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Color],
    alpha: float = 0.5,
) -> np.ndarray:
    """Blend a label map over an image and list the classes: all, so that a film's legend stands still.

    Of more than 20 classes only those that occur are listed.

    Args:
        image: [H, W, 3] uint8 RGB; it is not changed.
        labels: [H, W] uint8, index into classes; other values (255) let the image show.
        classes: name of each label.
        palette: RGB color of each label.
        alpha: weight of the colors, 0..1.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    colors = cv2.LUT(cv2.cvtColor(labels, cv2.COLOR_GRAY2RGB), table[None])
    picture = cv2.addWeighted(image, 1 - alpha, colors, alpha, 0)
    counts = np.bincount(labels.reshape(-1), minlength=256)
    if counts[len(palette) :].any():
        unknown = labels >= len(palette)
        picture[unknown] = image[unknown]
    listed = [label for label in range(len(classes)) if counts[label] or len(classes) <= _LEGEND]
    _legend(picture, [(classes[label], tuple(int(c) for c in palette[label])) for label in listed])
    return picture


def _legend(picture: np.ndarray, entries: Sequence[tuple[str, Color]]) -> None:
    """Write names beside patches of color on a dark panel at the lower left, in columns."""
    if not entries:
        return
    height, width = picture.shape[:2]
    scale = _text_scale(picture.shape)
    sizes = [cv2.getTextSize(name, _FONT, scale, 1)[0] for name, _ in entries]
    row = max(tall for _, tall in sizes) + 7
    column = max(wide for wide, _ in sizes) + row + 10
    rows = max(1, min(len(entries), (height - 8) // row))
    columns = ceil(len(entries) / rows)
    left, top = 4, height - 6 - rows * row
    panel = picture[max(top, 0) : height - 2, left : min(width, left + columns * column)]
    panel[:] = cv2.addWeighted(panel, 0.3, np.full_like(panel, _PANEL), 0.7, 0)
    for index, (name, color) in enumerate(entries):
        x, y = left + index // rows * column + 4, top + index % rows * row + 3
        cv2.rectangle(picture, (x, y), (x + row - 6, y + row - 6), color, -1)
        cv2.putText(picture, name, (x + row, y + row - 7), _FONT, scale, _WHITE, 1, cv2.LINE_AA)


def side_by_side(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> np.ndarray:
    """Join pictures into a grid whose columns have titles, e.g. ground truth beside prediction.

    Args:
        rows: pictures [H, W, 3] uint8 RGB, a list for each row; all are fitted to the size of the first.
        titles: one for each column.
    """
    height, width = rows[0][0].shape[:2]
    gap = max(2, width // 160)
    scale = 1.3 * _text_scale((height, width))
    tall = cv2.getTextSize("Tg", _FONT, scale, 1)[0][1]
    bar = 2 * tall + 4
    size = (bar + len(rows) * (height + gap) - gap, len(titles) * (width + gap) - gap)
    grid = np.full((*size, 3), _PANEL, np.uint8)
    for column, title in enumerate(titles):
        x = column * (width + gap)
        cv2.putText(grid, title, (x + 6, bar - tall // 2 - 2), _FONT, scale, _WHITE, 1, cv2.LINE_AA)
        for row, pictures in enumerate(rows):
            y = bar + row * (height + gap)
            grid[y : y + height, x : x + width] = cv2.resize(pictures[column], (width, height))
    return grid
