"""Draw a grid of samples with their boxes or masks, as they are or as a training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np

from densevision.errors import UserError, did_you_mean
from densevision.images import resize_image
from densevision.structures import Detections
from densevision.visualize import Color, draw_boxes, draw_labels

_TILE = 320  # pixels of the longer side of an image in the grid
_GAP = 6
_BACKGROUND = (24, 26, 30)


def choose_samples(dataset: Any, count: int, seed: int, class_name: str | None = None) -> list[int]:
    """Return the indices of at most ``count`` images, drawn at random; of one class where it is named.

    Raises:
        UserError: there is no such class, or no image with it.
    """
    indices = np.arange(len(dataset))
    if class_name is not None:
        classes = list(dataset.metainfo["classes"])
        if class_name not in classes:
            raise UserError(
                f"--class {class_name}: the classes are {', '.join(classes)}.{did_you_mean(class_name, classes)}"
            )
        label = classes.index(class_name)
        indices = np.array([index for index in indices.tolist() if _has_class(dataset, index, label)], int)
        if not len(indices):
            raise UserError(f"--class {class_name}: no image of this split has it")
    chosen = np.random.default_rng(seed).permutation(indices)[:count]
    return sorted(chosen.tolist())


def _has_class(dataset: Any, index: int, label: int) -> bool:
    if hasattr(dataset, "boxes"):
        return bool((dataset.labels[dataset.starts[index] : dataset.starts[index + 1]] == label).any())
    counts = dataset.id_counts.read([index])
    return bool(len(counts) and counts[0][dataset.lookup == label].any())


def draw_sample(dataset: Any, index: int, seed: int | None = None) -> np.ndarray:
    """Draw one image with its labels.

    Args:
        seed: of the augmentation; None draws the image as an evaluation sees it.
    Returns:
        [H, W, 3] uint8 RGB.
    """
    classes = dataset.metainfo["classes"]
    sample = dataset.load(index, seed)
    image = sample["inputs"].permute(1, 2, 0).clamp(0, 255).byte().numpy()
    gt = sample["data_samples"].gt if hasattr(dataset, "boxes") else sample["data_samples"].gt.labels
    image, scale = _fit(image)
    if hasattr(dataset, "boxes"):
        boxes, labels = gt.boxes.numpy() * scale, gt.labels.numpy()
        return draw_boxes(image, Detections(boxes, np.full(len(boxes), np.nan, np.float32), labels), classes)
    labels = cv2.resize(
        gt.numpy().reshape(gt.shape[-2:]).astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    return draw_labels(image, labels, (), dataset.metainfo["palette"])


def _fit(image: np.ndarray) -> tuple[np.ndarray, float]:
    scale = _TILE / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return resize_image(image, (height, width)), scale


def draw_grid(tiles: Sequence[np.ndarray], captions: Sequence[str], *, pairs: bool = False) -> np.ndarray:
    """Place images of any sizes in a grid with a caption below each; [H, W, 3] uint8 RGB.

    Args:
        pairs: keep each two images that follow one another in one row.
    """
    columns = ceil(sqrt(len(tiles)))
    columns += columns % 2 if pairs else 0
    rows = ceil(len(tiles) / columns)
    cell = (max(tile.shape[0] for tile in tiles) + 24, max(tile.shape[1] for tile in tiles))
    size = (rows * (cell[0] + _GAP) + _GAP, columns * (cell[1] + _GAP) + _GAP, 3)
    grid = np.full(size, _BACKGROUND, np.uint8)
    for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        top = place // columns * (cell[0] + _GAP) + _GAP
        left = place % columns * (cell[1] + _GAP) + _GAP
        grid[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        origin = (left + 2, top + tile.shape[0] + 16)
        text = caption if len(caption) <= 44 else f"...{caption[-41:]}"
        cv2.putText(grid, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (220, 220, 220), 1, cv2.LINE_AA)
    return grid


def draw_legend(names: Sequence[str], colors: Sequence[Color], width: int) -> np.ndarray:
    """Write class names next to their colors in as many rows as needed; [H, width, 3] uint8 RGB."""
    places, x, y = [], _GAP, _GAP
    for name in names:
        taken = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0] + 40
        if x + taken > width and x > _GAP:
            x, y = _GAP, y + 22
        places.append((x, y))
        x += taken
    strip = np.full((y + 22, width, 3), _BACKGROUND, np.uint8)
    for (left, top), name, color in zip(places, names, colors, strict=True):
        cv2.rectangle(strip, (left, top), (left + 14, top + 14), [int(channel) for channel in color], -1)
        cv2.putText(strip, name, (left + 20, top + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (220, 220, 220), 1, cv2.LINE_AA)
    return strip
