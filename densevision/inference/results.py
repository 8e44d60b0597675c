"""What a model finds in one image, with the image: to read, to draw, and to hand to other tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from densevision.errors import UserError, listed
from densevision.images import encode_image
from densevision.structures import Detections
from densevision.visualize import Color, draw_boxes, draw_labels

if TYPE_CHECKING:
    import supervision


class Result(Protocol):
    """What is common to the results of all tasks.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        classes: K names.
    """

    @property
    def image(self) -> np.ndarray: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def draw(self) -> np.ndarray:
        """Return a copy of the image with the result drawn into it, [H, W, 3] uint8 RGB."""
        ...

    def to_coco(self, image_id: int | str, category_ids: Sequence[int] | None = None) -> list[dict[str, object]]:
        """Return it in COCO's format of results."""
        ...

    def to_supervision(self) -> supervision.Detections | supervision.Classifications:
        """Return it as ``supervision.Detections``, of a classifier as ``supervision.Classifications``."""
        ...

    def record(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        ...

    def rows(self) -> list[tuple[object, ...]]:
        """Return it as rows of a table, with the columns that the predictor names."""
        ...

    def summary(self) -> str:
        """Return in a few words what was found."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class DetectionResult:
    """The objects found in an image, by falling score.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        classes: K names.
        boxes: [D, 4] float32, xyxy in pixels of ``image``.
        scores: [D] float32 in 0..1.
        labels: [D] int64 in 0..K-1.
    """

    image: np.ndarray
    classes: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def names(self) -> list[str]:
        """The class name of each object."""
        return [self.classes[label] for label in self.labels]

    @property
    def detections(self) -> Detections:
        """Boxes, scores and labels together."""
        return Detections(self.boxes, self.scores, self.labels)

    def draw(self) -> np.ndarray:
        """Return a copy of the image with boxes, names and scores, [H, W, 3] uint8 RGB."""
        return draw_boxes(self.image, self.detections, self.classes)

    def record(self) -> dict[str, Any]:
        """Return ``detections``: class, score and box (xyxy in pixels) of each object."""
        return record_detections(self.detections, self.classes)

    def rows(self) -> list[tuple[object, ...]]:
        """Return class, score, x_min, y_min, x_max and y_max of each object."""
        return [(row["class"], row["score"], *row["box"]) for row in self.record()["detections"]]

    def to_coco(self, image_id: int | str, category_ids: Sequence[int] | None = None) -> list[dict[str, object]]:
        """Return the objects in COCO's format of results, boxes as (x, y, width, height).

        Args:
            category_ids: of the K classes; None numbers them from 1.
        """
        ids = _category_ids(category_ids, self.classes)
        sizes = self.boxes[:, 2:] - self.boxes[:, :2]
        rows = zip(
            self.labels.tolist(), np.hstack([self.boxes[:, :2], sizes]).tolist(), self.scores.tolist(), strict=True
        )
        return [dict(image_id=image_id, category_id=ids[label], bbox=box, score=score) for label, box, score in rows]

    def to_supervision(self) -> supervision.Detections:
        """Return ``supervision.Detections``, with the names as ``data["class_name"]``."""
        return import_supervision().Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.labels,
            data=dict(class_name=np.array(self.names, str)),
        )

    def _repr_png_(self) -> bytes:
        return encode_image(self.draw())

    def __repr__(self) -> str:
        found = [f"{name} {score:.2f}" for name, score in zip(self.names, self.scores, strict=True)]
        return f"{type(self).__name__}({size_text(self.image)}, {self.summary()}{': ' * bool(found)}{listed(found)})"

    def summary(self) -> str:
        """Return how many objects of each class there are, in a few words."""
        counts = Counter(self.names)
        return ", ".join(f"{count} {name}" for name, count in counts.items()) or "no objects"


@dataclass(frozen=True, eq=False, repr=False)
class SegmentationResult:
    """The class of every pixel of an image.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        classes: K names.
        label_map: [H, W] uint8, an index into ``classes``.
        palette: RGB color of each class.
    """

    image: np.ndarray
    classes: tuple[str, ...]
    label_map: np.ndarray
    palette: Sequence[Color]

    @property
    def shares(self) -> dict[str, float]:
        """Share of the pixels of each class that occurs, the largest first."""
        shares: dict[str, float] = self.record()["shares"]
        return dict(sorted(shares.items(), key=lambda entry: -entry[1]))

    def record(self) -> dict[str, Any]:
        """Return ``shares``: the share of the pixels of each class that occurs."""
        return record_shares(self.label_map, self.classes)

    def rows(self) -> list[tuple[object, ...]]:
        """Return class and share of each class that occurs, the largest first."""
        return list(self.shares.items())

    @property
    def names(self) -> tuple[str, ...]:
        """The K class names: the name of a pixel is ``names[label_map[y, x]]``."""
        return self.classes

    def draw(self) -> np.ndarray:
        """Return a copy of the image in the classes' colors with a legend, [H, W, 3] uint8 RGB."""
        return draw_labels(self.image, self.label_map, self.classes, self.palette)

    def to_coco(self, image_id: int | str, category_ids: Sequence[int] | None = None) -> list[dict[str, object]]:
        """Return a mask per class that occurs in COCO's format of results, run-length encoded; needs pycocotools.

        Args:
            category_ids: of the K classes; None numbers them from 1.
        """
        try:
            from pycocotools.mask import encode
        except ImportError as error:
            raise UserError("to_coco of a segmentation needs pycocotools; pip install pycocotools") from error
        ids = _category_ids(category_ids, self.classes)
        rows = []
        for label in self._labels():
            mask = encode(np.asfortranarray(self.label_map == label, dtype=np.uint8))
            mask["counts"] = mask["counts"].decode()
            rows.append(dict(image_id=image_id, category_id=ids[label], segmentation=mask, score=1.0))
        return rows

    def to_supervision(self) -> supervision.Detections:
        """Return ``supervision.Detections`` with a mask and a box per class that occurs."""
        package, labels = import_supervision(), self._labels()
        if not labels:
            return package.Detections.empty()
        masks = np.stack([self.label_map == label for label in labels])  # [n, H, W]
        names = np.array([self.classes[label] for label in labels])
        return package.Detections(
            xyxy=package.mask_to_xyxy(masks), mask=masks, class_id=np.array(labels), data=dict(class_name=names)
        )

    def _labels(self) -> list[int]:
        return [label for label in np.unique(self.label_map).tolist() if label < len(self.classes)]

    def _repr_png_(self) -> bytes:
        return encode_image(self.draw())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({size_text(self.image)}, {self.summary()})"

    def summary(self) -> str:
        """Return the shares of the classes that occur, in a few words."""
        return listed([f"{name} {share:.1%}" for name, share in self.shares.items()])


def record_detections(found: Detections, classes: Sequence[str]) -> dict[str, Any]:
    """Return ``detections`` as plain data: class, score and box (xyxy in pixels) of each."""
    rows = zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
    return dict(
        detections=[
            dict(**{"class": classes[label]}, score=round(score, 4), box=[round(side, 2) for side in box])
            for label, score, box in rows
        ]
    )


def record_shares(label_map: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return ``shares`` as plain data: the share of the pixels of each class that occurs."""
    counts = np.bincount(label_map.reshape(-1), minlength=len(classes))[: len(classes)]  # 255 is none
    shares = (counts / label_map.size).round(6)
    return dict(shares={name: share for name, share in zip(classes, shares.tolist(), strict=True) if share})


def _category_ids(given: Sequence[int] | None, classes: Sequence[str]) -> Sequence[int]:
    if given is None:
        return range(1, len(classes) + 1)
    if len(given) != len(classes):
        raise UserError(f"category_ids has {len(given)} ids for {len(classes)} classes; give one per class, in order")
    return given


def size_text(image: np.ndarray) -> str:
    """Write the size of an image as "WIDTHxHEIGHT"."""
    return f"{image.shape[1]}x{image.shape[0]}"


def import_supervision() -> Any:
    """Import the optional package supervision."""
    try:
        import supervision
    except ImportError as error:
        raise UserError("to_supervision needs the package supervision; pip install supervision") from error
    return supervision
