"""Plain types for results and settings, which need neither torch nor mmengine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal

from densevision.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Nms = Literal["per-class", "across-classes"]
NMS_MODES: tuple[Nms, ...] = ("across-classes", "per-class")


@dataclass(frozen=True)
class PostProcess:
    """What counts as a detection, in a model, a predictor and an exported file.

    Attributes:
        score_threshold: lowest score, in 0..1.
        iou_threshold: of two boxes that overlap more, NMS removes the one with the lower score; 1 removes none.
        max_detections: per image.
        candidates: per class, before NMS; no limit across classes.
        clip_first: clip boxes to the image before NMS, as torchvision does, or after it (False), as the authors'
            releases and TFLite's detection op do.
        nms: within each class, as COCO's evaluation expects, or across classes, where every anchor counts for its
            best class only.
    Raises:
        UserError: a value is out of its range.
    """

    score_threshold: float = 0.01
    iou_threshold: float = 0.6
    max_detections: int = 100
    candidates: int = 400
    clip_first: bool = True
    nms: Nms = "per-class"

    def __post_init__(self) -> None:
        for name in ("score_threshold", "iou_threshold"):
            check_range(f"postprocess.{name}", getattr(self, name), low=0, high=1)
        for name in ("max_detections", "candidates"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise UserError(f"postprocess.{name} is {value!r}; give a whole number from 1")
        if not isinstance(self.clip_first, bool):
            raise UserError(f"postprocess.clip_first is {self.clip_first!r}; give True or False")
        if self.nms not in NMS_MODES:
            raise UserError(f"postprocess.nms is {self.nms!r}; give {' or '.join(NMS_MODES)}")


def check_range(name: str, value: object, *, low: float, high: float = math.inf, with_low: bool = True) -> None:
    """Check a setting that must be a finite number.

    Args:
        name: of the setting, for the message.
        low: the value is at least this, or more than this without ``with_low``.
        high: the value is at most this.
    Raises:
        UserError: the value is not a number, not finite, or out of range.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and (low <= number if with_low else low < number) and number <= high:
            return
    wanted = f"a number from {low:g}" if with_low else f"a number over {low:g}"
    raise UserError(f"{name} is {value!r}; give {wanted}{f' to {high:g}' if math.isfinite(high) else ''}")


def check_whole(name: str, value: object, *, low: int) -> None:
    """Check a setting that must be a whole number from ``low``.

    Raises:
        UserError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise UserError(f"{name} is {value!r}; give a whole number from {low}")


@dataclass(frozen=True)
class Views:
    """The sizes and orientations in which an evaluation shows each image to a segmentation model.

    Attributes:
        scales: factors of the image's size.
        flip: also the mirror image, at each scale.
    Raises:
        UserError: no scale, or one out of 0.1 to 4.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.scales, tuple) or not self.scales:
            raise UserError(f"scales is {self.scales!r}; give factors of the image's size, such as 0.75 1 1.25")
        for scale in self.scales:
            check_range("scales", scale, low=0.1, high=4)
        if not isinstance(self.flip, bool):
            raise UserError(f"flip is {self.flip!r}; give True or False")

    def __str__(self) -> str:
        listed = ", ".join(f"{scale:g}" for scale in self.scales)
        return f"scale{'s' if len(self.scales) > 1 else ''} {listed}{', each also flipped' if self.flip else ''}"


@dataclass(frozen=True)
class Detections:
    """The objects found in one image, sorted by falling score.

    Attributes:
        boxes: [D, 4] float32, xyxy in pixels.
        scores: [D] float32 in 0..1.
        labels: [D] int64 in 0..K-1.
    All three are tensors, or all three are NumPy arrays.
    """

    boxes: Tensor | np.ndarray
    scores: Tensor | np.ndarray
    labels: Tensor | np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def numpy(self) -> Detections:
        """Return the same detections as NumPy arrays, on the CPU."""
        return Detections(_to_numpy(self.boxes), _to_numpy(self.scores), _to_numpy(self.labels))


def _to_numpy(values: Tensor | np.ndarray) -> np.ndarray:
    return values if not hasattr(values, "cpu") else values.cpu().numpy()
