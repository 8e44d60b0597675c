"""From an image of any size to results in its own pixels. Needs NumPy and OpenCV only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from densevision.errors import UserError
from densevision.images import check_image, resize_image
from densevision.inference.results import (
    DetectionResult,
    Result,
    SegmentationResult,
    record_detections,
    record_shares,
)
from densevision.inference.selection import select
from densevision.structures import Detections, PostProcess
from densevision.visualize import Color, class_color, draw_boxes, draw_labels

if TYPE_CHECKING:
    from densevision.inference.torch_backend import Backend


DRAWING = PostProcess(score_threshold=0.3, clip_first=False, nms="across-classes")


class Predictor(Protocol):
    """What ``densevision.load``, ``demo`` and ``evaluate`` need of any task.

    Attributes:
        task: what it finds.
        classes: K names.
        columns: names of the values in a row of ``Result.rows``, the class first.
        input_size: (height, width) that images are resized to; None accepts any size.
        lowest_score: the network itself gives no scores below this.
    """

    task: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def input_size(self) -> tuple[int, int] | None: ...

    @property
    def lowest_score(self) -> float: ...

    def __call__(self, image: np.ndarray) -> Any:
        """Predict one image [H, W, 3] uint8 RGB of any size; the result's type is the task's own."""
        ...

    def result(self, image: np.ndarray) -> Result:
        """Predict one image, and return the result with it."""
        ...

    def draw(self, image: np.ndarray, result: Any) -> np.ndarray:
        """Draw the result of an image into a copy of it."""
        ...

    def record(self, result: Any) -> dict[str, Any]:
        """Return a result as plain data, ready for JSON."""
        ...

    def nothing_found(self, frames: int) -> str | None:
        """Return a line for the user if the images so far, ``frames`` in number, gave no result; else None."""
        ...


class DetectionPredictor:
    """Find objects.

    Args:
        backend: gives boxes and scores, see ``Backend``.
        classes: K names.
        postprocess: what to report.
        float_resize: pass the backend float32 in 0..255, not rounded to bytes after the resize.
    Attributes:
        best_score: highest score that the backend gave so far; None if it gave none.
        found: number of objects found so far.
    """

    task = "detection"
    columns = ("class", "score", "x_min", "y_min", "x_max", "y_max")

    def __init__(
        self,
        backend: Backend,
        classes: Sequence[str],
        postprocess: PostProcess = DRAWING,
        *,
        float_resize: bool = False,
    ):
        self.float_resize = float_resize
        self.classes = tuple(classes)
        self.postprocess = postprocess
        self.best_score: float | None = None
        self.found = 0
        self._backend = backend

    def __call__(self, image: np.ndarray) -> Detections:
        """Find the objects of one image.

        Args:
            image: [H, W, 3] uint8 RGB, any size.
        Returns:
            NumPy arrays; boxes in pixels of ``image``.
        """
        image = check_image(image)
        size = self._backend.input_size or image.shape[:2]
        pixels = image.astype(np.float32) if self.float_resize else image
        (boxes,), (scores,) = self._backend(resize_image(pixels, size)[None])
        if scores.size:
            best = float(scores.max())  # NaN where one is
            self.best_score = best if self.best_score is None else float(np.maximum(self.best_score, best))
        if self.postprocess.clip_first:
            boxes = _clip(boxes, size)
        found = select(boxes, scores, self.postprocess)
        self.found += len(found)
        scale = np.array([image.shape[1] / size[1], image.shape[0] / size[0]] * 2, np.float32)
        return Detections(_clip(found.boxes * scale, image.shape[:2]), found.scores, found.labels)

    def result(self, image: np.ndarray) -> DetectionResult:
        """Find the objects of one image, and return them with it."""
        image = check_image(image)
        found: Any = self(image)  # of NumPy arrays
        return DetectionResult(image, self.classes, found.boxes, found.scores, found.labels)

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to; None accepts any size."""
        return self._backend.input_size

    @property
    def lowest_score(self) -> float:
        """The network itself gives no scores below this."""
        return self._backend.lowest_score

    def draw(self, image: np.ndarray, result: Detections) -> np.ndarray:
        """Draw boxes with class and score."""
        return draw_boxes(image, result, self.classes)

    def record(self, result: Detections) -> dict[str, Any]:
        """Return ``detections``: class, score and box (xyxy in pixels) of each."""
        return record_detections(result, self.classes)

    def nothing_found(self, frames: int) -> str | None:
        """Return how close the best detection came to the threshold; None if there was a detection."""
        if self.found or not frames:
            return None
        threshold, floor = self.postprocess.score_threshold, self._backend.lowest_score
        line = f"no detection above {threshold:g} in {frames} frame{'s' if frames != 1 else ''}; "
        if self.best_score is None:
            return line + f"the file itself reports none below its own threshold of {floor:g}, and there was none above"
        if np.isnan(self.best_score):
            return line + "the scores are NaN, so the network is broken"
        return line + f"the best score was {self.best_score:.3g}"


def _clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return boxes.clip(0, np.array([size[1], size[0]] * 2, np.float32))


class SegmentationPredictor:
    """Label every pixel.

    Args:
        backend: gives logits or labels, see ``Backend``.
        classes: K names.
        palette: RGB color of each class, 0..255.
        padded_size: (height, width) that the network's outputs cover, see ``ModelInfo``. None: the cells divide the
            input evenly.
        align_corners: of ``padded_size``, see ``ModelInfo``.
    """

    task = "segmentation"
    columns = ("class", "share")

    def __init__(
        self,
        backend: Backend,
        classes: Sequence[str],
        palette: Sequence[tuple[int, int, int]],
        *,
        padded_size: tuple[int, int] | None = None,
        align_corners: bool = True,
    ):
        self.classes = tuple(classes)
        self.palette = [(red, green, blue) for red, green, blue in palette]
        self.padded_size, self.align_corners = padded_size, align_corners
        self._backend = backend

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Label one image [H, W, 3] uint8 RGB of any size; returns [H, W] uint8, an index into classes."""
        image = check_image(image)
        size, target = self._backend.input_size or image.shape[:2], image.shape[:2]
        (output,) = self._backend(resize_image(image, size)[None])
        if self.padded_size is not None:
            axes = zip(target, size, self.padded_size, output.shape[1:3], strict=True)
            rows, columns = (cell_positions(*axis, align_corners=self.align_corners) for axis in axes)
            if output.ndim == 3:
                return output[0][np.rint(rows).astype(int)[:, None], np.rint(columns).astype(int)]
            return best_class(output[0], lambda plane: _interpolate(plane, rows, columns))
        if output.ndim == 3:  # a label map already
            return cv2.resize(output[0], target[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return best_class(output[0], lambda plane: _upsample(plane, target))

    def result(self, image: np.ndarray) -> SegmentationResult:
        """Label one image, and return the labels with it."""
        image = check_image(image)
        return SegmentationResult(image, self.classes, self(image), self.palette)

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to; None accepts any size."""
        return self._backend.input_size

    @property
    def lowest_score(self) -> float:
        """The network itself gives no scores below this."""
        return self._backend.lowest_score

    def draw(self, image: np.ndarray, result: np.ndarray) -> np.ndarray:
        """Blend the classes' colors over the image, with a legend."""
        return draw_labels(image, result, self.classes, self.palette)

    def record(self, result: np.ndarray) -> dict[str, Any]:
        """Return ``shares``: the share of the pixels of each class that occurs."""
        return record_shares(result, self.classes)

    def nothing_found(self, frames: int) -> None:
        """Return None: every pixel has a class."""


def class_palette(palette: Sequence[Color], classes: Sequence[str], origin: str) -> Sequence[Color]:
    """Return a color for each class: the data set's own, or the toolkit's where a model records none.

    Args:
        origin: where the palette comes from, for the message.
    Raises:
        UserError: it has colors, but fewer than classes, so that drawing would fail.
    """
    if not palette:
        return [class_color(label) for label in range(len(classes))]
    if len(palette) < len(classes):
        raise UserError(
            f"{origin} does not have a color for each class; use one that densevision train or export wrote"
        )
    return palette


def cell_positions(target: int, size: int, padded: int, cells: int, *, align_corners: bool = True) -> np.ndarray:
    """Map the pixels of an image to the cells of an output that covers more than the image.

    Args:
        target, size: pixels of the image along an axis, and of the network's input that it was resized to.
        padded: pixels that the output covers.
        cells: of the output.
        align_corners: the corner cells have the centers of the corner pixels; False: each covers as many pixels.
    Returns:
        [target] positions in 0..cells - 1. Example: with 9 cells on 65 pixels, pixel 12 is at 1.5; without
        align_corners, with 9 cells on 72 pixels, pixel 12 is at 12.5 / 8 - 0.5 = 1.0625.
    """
    pixels = ((np.arange(target) + 0.5) * (size / target) - 0.5).clip(0, size - 1)
    if align_corners:
        return pixels * ((cells - 1) / max(1, padded - 1))
    return ((pixels + 0.5) * (cells / padded) - 0.5).clip(0, cells - 1)


def best_class(logits: np.ndarray, upsample: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Upsample logits [h, w, K] and take the best class, plane by plane to stay in the cache; [H, W] uint8."""
    best = upsample(logits[..., 0]).copy()
    labels = np.zeros(best.shape, np.uint8)
    for label in range(1, logits.shape[-1]):
        plane = upsample(logits[..., label])
        labels[plane > best] = label
        cv2.max(best, plane, dst=best)
    return labels


def _interpolate(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the bilinear values [H, W] of a plane [h, w] at fractional rows and columns."""
    left, right, weight = _neighbors(columns, plane.shape[1])
    wide = plane[:, left] * (1 - weight) + plane[:, right] * weight  # [h, W], the smaller one, by single values
    above, below, weight = _neighbors(rows, plane.shape[0])
    return wide[above] * (1 - weight)[:, None] + wide[below] * weight[:, None]


def _neighbors(positions: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low = positions.astype(int)
    return low, np.minimum(low + 1, cells - 1), (positions - low).astype(np.float32)


def _upsample(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    plane = np.ascontiguousarray(plane)
    if plane.shape == tuple(size):
        return plane
    return cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
