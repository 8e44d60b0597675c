"""Classify whole images: predictor and result. Needs NumPy and OpenCV only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from densevision.errors import UserError
from densevision.images import check_image, encode_image, fit_image
from densevision.inference.results import import_supervision, size_text
from densevision.visualize import draw_classes, enlarge_image

if TYPE_CHECKING:
    import supervision

    from densevision.inference.torch_backend import Backend

_READABLE = 160  # pixels of the shorter side, for the text of a drawing


class ClassificationPredictor:
    """Name what an image as a whole shows.

    Args:
        backend: gives scores, see ``Backend``.
        classes: K names.
        center_crop: share of the image in front of the resize, see ``fit_image``.
    """

    task = "classification"
    columns = ("class", "score")

    def __init__(self, backend: Backend, classes: Sequence[str], *, center_crop: float | None = None):
        self.classes = tuple(classes)
        self.center_crop = center_crop
        self._backend = backend

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Score one image [H, W, 3] uint8 RGB of any size; returns [K] float32 in 0..1."""
        image = check_image(image)
        size = self._backend.input_size or image.shape[:2]
        (scores,) = self._backend(fit_image(image, size, self.center_crop)[None])
        return scores[0]

    def result(self, image: np.ndarray) -> ClassificationResult:
        """Score one image, and return the scores with it."""
        image = check_image(image)
        return ClassificationResult(image, self.classes, self(image))

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to."""
        return self._backend.input_size

    @property
    def lowest_score(self) -> float:
        """The network itself gives no scores below this."""
        return self._backend.lowest_score

    def draw(self, image: np.ndarray, result: np.ndarray) -> np.ndarray:
        """Write the best classes with their scores into the upper left corner."""
        return draw_classes(image, result, self.classes)

    def record(self, result: np.ndarray) -> dict[str, Any]:
        """Return ``classes``: name and score of the five best."""
        return record_scores(result, self.classes)

    def nothing_found(self, frames: int) -> None:
        """Return None: every image has a class."""


@dataclass(frozen=True, eq=False, repr=False)
class ClassificationResult:
    """The scores of the classes of an image.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        classes: K names.
        scores: [K] float32 in 0..1.
    """

    image: np.ndarray
    classes: tuple[str, ...]
    scores: np.ndarray

    @property
    def name(self) -> str:
        """The class with the highest score."""
        return self.classes[int(self.scores.argmax())]

    @property
    def score(self) -> float:
        """The highest score."""
        return float(self.scores.max())

    def draw(self) -> np.ndarray:
        """Return a copy of the image with the best classes, enlarged where it is small, [H, W, 3] uint8 RGB."""
        return draw_classes(enlarge_image(self.image, _READABLE), self.scores, self.classes)

    def record(self) -> dict[str, Any]:
        """Return ``classes``: name and score of the five best."""
        return record_scores(self.scores, self.classes)

    def rows(self) -> list[tuple[object, ...]]:
        """Return class and score of the five best."""
        return [(row["class"], row["score"]) for row in self.record()["classes"]]

    def to_coco(self, image_id: int | str, category_ids: Sequence[int] | None = None) -> list[dict[str, object]]:
        """Raise a UserError: COCO's format has objects, and a class of a whole image is none."""
        raise UserError("COCO's format of results has no classes of whole images; use record() or rows()")

    def to_supervision(self) -> supervision.Classifications:
        """Return ``supervision.Classifications``, with all scores."""
        return import_supervision().Classifications(class_id=np.arange(len(self.classes)), confidence=self.scores)

    def _repr_png_(self) -> bytes:
        return encode_image(self.draw())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({size_text(self.image)}, {self.summary()})"

    def summary(self) -> str:
        """Return the three best classes in a few words."""
        return ", ".join(f"{name} {score:.1%}" for name, score in self.rows()[:3])


def record_scores(scores: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return ``classes`` as plain data: name and score of the five best; classes with NaN are left out."""
    best = [label for label in np.argsort(-scores, kind="stable")[:5].tolist() if not np.isnan(scores[label])]
    return dict(classes=[dict(**{"class": classes[label]}, score=round(float(scores[label]), 4)) for label in best])
