"""What a video shows: the results of one model, or of two next to each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from densevision.errors import UserError, did_you_mean, listed
from densevision.inference.predictor import DetectionPredictor, Predictor, SegmentationPredictor
from densevision.structures import Detections
from densevision.video.tracking import Tracker
from densevision.visualize import LEGEND, draw_boxes, draw_caption, draw_labels, legend_strip, side_by_side

_IGNORED = 255  # label of pixels that are not colored


class View(Protocol):
    """Predicts and draws the frames of a video.

    Attributes:
        classes: K names, for the record.
    """

    classes: tuple[str, ...]

    def predict(self, image: np.ndarray) -> Any:
        """Return the results of an image [H, W, 3] uint8 RGB."""
        ...

    def draw(self, image: np.ndarray, found: Any, *, caption: bool) -> np.ndarray:
        """Draw the results into a copy of the image, which may grow; the caption names the model and its time."""
        ...

    def record(self, found: Any) -> dict[str, Any]:
        """Return the results as plain data, ready for JSON."""
        ...

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) of what is drawn for an image of a size."""
        ...

    def nothing_found(self, frames: int) -> str | None:
        """Return a line for the user if no frame gave a result."""
        ...


@dataclass(frozen=True)
class Found:
    """The result of a frame.

    Attributes:
        result: as the predictor gave it, of the chosen classes.
        ids: of the track of each detection, -1 where it has none; None without tracking.
    """

    result: Any
    ids: np.ndarray | None = None


class ModelView:
    """The results of one model.

    Args:
        predictor: gives the results.
        name: of the model, for the caption.
        only: names of the classes to show; empty shows all.
        tracker: numbers the objects of a detector.
    Raises:
        UserError: the model has no class of that name.
    """

    def __init__(self, predictor: Predictor, name: str = "", only: Sequence[str] = (), tracker: Tracker | None = None):
        self.classes = predictor.classes
        self._predictor, self._name, self._tracker = predictor, name, tracker
        self._shown = choose(predictor.classes, only)
        self._mean_ms = 0.0

    def predict(self, image: np.ndarray) -> Found:
        """Predict, leave out the classes that are not shown, and number the objects."""
        start = time.perf_counter()
        result: Any = self._predictor(image)
        taken = 1000 * (time.perf_counter() - start)
        self._mean_ms = 0.95 * self._mean_ms + 0.05 * taken if self._mean_ms else taken
        if len(self._shown) < len(self.classes):
            result = _chosen(result, self._shown)
        return Found(result, self._tracker.update(result) if self._tracker else None)

    @property
    def caption(self) -> str:
        """Name and mean time of the model."""
        return f"{self._name}  {self._mean_ms:.0f} ms" if self._name else ""

    def draw(self, image: np.ndarray, found: Found, *, caption: bool) -> np.ndarray:
        """Draw the result; a legend of up to 20 classes stands to the right of the image."""
        drawn = self._draw(image, found)
        if caption and self._name:
            draw_caption(drawn, self.caption)
        legend = self._legend(image.shape)
        return drawn if legend is None else np.hstack([drawn, legend])

    def _draw(self, image: np.ndarray, found: Found) -> np.ndarray:
        if isinstance(self._predictor, SegmentationPredictor):
            outside = len(self._shown) <= LEGEND
            return draw_labels(image, found.result, () if outside else self.classes, self._predictor.palette)
        if isinstance(self._predictor, DetectionPredictor):
            return draw_boxes(image, found.result, self.classes, found.ids)
        return self._predictor.draw(image, found.result)

    def _legend(self, shape: tuple[int, ...]) -> np.ndarray | None:
        if not isinstance(self._predictor, SegmentationPredictor) or len(self._shown) > LEGEND:
            return None
        names = [self.classes[label] for label in self._shown]
        return legend_strip((shape[0], shape[1]), names, [self._predictor.palette[label] for label in self._shown])

    def record(self, found: Found) -> dict[str, Any]:
        """Return what the predictor records, and the ids of the tracks."""
        record = self._predictor.record(found.result)
        if found.ids is None:
            return record
        rows = zip(record["detections"], found.ids.tolist(), strict=True)
        return record | dict(detections=[row | dict(track=None if number < 0 else number) for row, number in rows])

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Add the width of the legend."""
        legend = self._legend(size)
        return size if legend is None else (size[0], size[1] + legend.shape[1])

    def nothing_found(self, frames: int) -> str | None:
        """Ask the predictor."""
        return self._predictor.nothing_found(frames)


class PairView:
    """Two models next to each other, with a title each.

    Args:
        first: the left one.
        second: the right one.
    """

    def __init__(self, first: ModelView, second: ModelView):
        self.classes = first.classes
        self._views = (first, second)

    def predict(self, image: np.ndarray) -> tuple[Found, ...]:
        """Predict with both."""
        return tuple(view.predict(image) for view in self._views)

    def draw(self, image: np.ndarray, found: tuple[Found, ...], *, caption: bool) -> np.ndarray:
        """Join the drawings; the titles are the captions, so that nothing is written into the images."""
        drawn = [view.draw(image, one, caption=False) for view, one in zip(self._views, found, strict=True)]
        return side_by_side([drawn], [view.caption for view in self._views])

    def record(self, found: tuple[Found, ...]) -> dict[str, Any]:
        """Return the record of the first model, and that of the second as ``against``."""
        first, second = (view.record(one) for view, one in zip(self._views, found, strict=True))
        return first | dict(against=second)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the joined drawings."""
        sizes = [view.size(size) for view in self._views]
        height, width = side_by_side([[np.zeros((*one, 3), np.uint8) for one in sizes]], ["", ""]).shape[:2]
        return height, width

    def nothing_found(self, frames: int) -> str | None:
        """Return the lines of both."""
        lines = [line for view in self._views if (line := view.nothing_found(frames))]
        return "\n".join(lines) or None


def choose(classes: Sequence[str], only: Sequence[str]) -> list[int]:
    """Return the labels of the classes to show, in the model's order; all where ``only`` is empty.

    Raises:
        UserError: there is no such class.
    """
    for name in only:
        if name not in classes:
            hint = did_you_mean(name, classes) or f"the model has {listed(list(classes))}"
            raise UserError(f"--classes: the model has no class {name!r}; {hint}")
    return [label for label, name in enumerate(classes) if not only or name in only]


def _chosen(result: Any, labels: Sequence[int]) -> Any:
    if isinstance(result, Detections):
        rows = np.isin(result.labels, labels)
        return Detections(result.boxes[rows], result.scores[rows], result.labels[rows])
    if result.ndim == 1:  # the scores of a classifier
        return np.where(np.isin(np.arange(len(result)), labels), result, np.nan)
    table = np.full(256, _IGNORED, np.uint8)
    table[list(labels)] = labels
    return table[result]
