"""Count the annotations of a COCO json by class and by their use, and describe what looks wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from densevision.detection.coco_boxes import overhang
from densevision.detection.coco_json import CocoTable


@dataclass(frozen=True)
class CocoCounts:
    """The annotations of a json, counted.

    Attributes:
        path: path of the json.
        objects: class name -> number of boxes, without crowds.
        crowd_classes: names of the classes with more crowds than objects.
        dropped: reason -> number of annotations that are not used at all.
        untrained: reason -> number of annotations that training ignores and the evaluation keeps.
        chosen: number of annotations of the chosen classes.
        overhanging: number of trained boxes that extend beyond their image.
        repeated: number of annotations that repeat another one.
        extent: largest x and y of the trained boxes as a share of their image, where both are suspiciously small.
        annotated: whether the json has a list of annotations.
        all_crowds: whether all annotations are crowds.
    """

    path: str
    objects: dict[str, int]
    crowd_classes: list[str]
    dropped: dict[str, int]
    untrained: dict[str, int]
    chosen: int
    overhanging: int
    repeated: int
    extent: tuple[float, float] | None
    annotated: bool
    all_crowds: bool

    def notes(self) -> list[str]:
        """Describe what deserves a look, one line each."""
        notes = []
        if self.overhanging:
            notes.append(f"boxes that extend beyond their image, clipped in training: {self.overhanging:,}")
        if self.repeated:
            notes.append(f"boxes that repeat another one exactly (same image, class and corners): {self.repeated:,}")
        if self.extent:
            width, height = self.extent
            notes.append(
                f"all boxes are in the upper left {width:.0%} x {height:.0%} of their images: are they in percent, or "
                "of images of another size?"
            )
        if self.crowd_classes:
            notes.append(
                f"more crowds than objects: {', '.join(self.crowd_classes[:12])}; crowds='objects' in the data set of "
                "the config reads crowds as objects"
            )
        return notes

    def outside_fault(self) -> str | None:
        """Describe the fault if most boxes are outside of their images."""
        outside = self.untrained.get("outside of the image", 0)
        if 2 * outside <= self.chosen:
            return None
        return (
            f"{outside:,} of {self.chosen:,} boxes in {self.path} are outside of their images: are they of images of "
            "another size, or in another order? Correct them, or box_format in the data set of the config"
        )

    def no_box_cause(self) -> str:
        """Return the likely cause why no box is left."""
        if not self.annotated:
            return "it has no list 'annotations'"
        if self.all_crowds:
            return (
                "all annotations are crowds (iscrowd 1), as CVAT exports masks; set crowds='objects' in the data "
                "set of the config to read them as objects"
            )
        lost = ", ".join(f"{count:,} {why}" for why, count in {**self.dropped, **self.untrained}.items())
        return f"no box is left ({lost})" if lost else "it has no boxes"


def count_annotations(
    table: CocoTable, labels: np.ndarray, classes: Sequence[str], untrained: dict[str, np.ndarray]
) -> CocoCounts:
    """Count the annotations of a json.

    Args:
        table: from ``CocoReader``.
        labels: [M] index into ``classes``, -1 where the class is not chosen.
        classes: names of the chosen classes.
        untrained: from ``untrained_reasons``.
    """
    chosen = labels >= 0
    dropped = dict(table.skipped)
    if not chosen.all():
        dropped["of classes that the config leaves out"] = int((~chosen).sum())
    objects = np.bincount(labels[chosen & ~table.crowds], minlength=len(classes)).tolist()
    crowds = np.bincount(labels[chosen & table.crowds], minlength=len(classes)).tolist()
    trained = chosen & ~np.any(list(untrained.values()), axis=0)
    boxes, sizes = table.boxes[trained], table.sizes[table.image_rows[trained]]
    sizes = np.where(sizes > 0, sizes, np.inf)
    return CocoCounts(
        str(table.path),
        objects=dict(zip(classes, objects, strict=True)),
        crowd_classes=[name for name, n, crowd in zip(classes, objects, crowds, strict=True) if crowd > n],
        dropped=dropped,
        untrained={why: int((mask & chosen).sum()) for why, mask in untrained.items() if (mask & chosen).any()},
        chosen=int(chosen.sum()),
        overhanging=int((overhang(boxes, sizes) > 0.5).sum()),
        repeated=count_repeated(table),
        extent=_small_extent(boxes, sizes),
        annotated=table.annotated,
        all_crowds=bool(len(labels)) and bool(table.crowds.all()),
    )


def untrained_reasons(table: CocoTable, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return reason -> [M] bool, the boxes that training ignores and COCO's evaluation keeps; each box once.

    Args:
        table: from ``CocoReader``.
        sizes: [M, 2] (height, width) of each box's image, 0 where unknown.
    """
    low, extent = table.boxes[:, :2], table.boxes[:, 2:]
    limits = np.where(sizes > 0, sizes, np.inf)[:, ::-1]
    visible = np.minimum(low + extent, limits) - low.clip(min=0)
    reasons = {
        "marked as crowd": table.crowds,
        "of zero size": (extent == 0).any(axis=1),
        "under one pixel": (extent < 1).any(axis=1),
        "outside of the image": (visible < 1).any(axis=1),
    }
    taken = np.zeros(len(extent), bool)
    for why, mask in reasons.items():
        reasons[why], taken = mask & ~taken, taken | mask
    return reasons


def count_repeated(table: CocoTable) -> int:
    """Count the annotations that repeat another one: same image, category and numbers."""
    rows = np.column_stack([table.image_rows, table.category_rows, table.crowds, table.boxes])
    rows = rows[np.lexsort(rows.T)]
    return int((rows[1:] == rows[:-1]).all(axis=1).sum())


def _small_extent(boxes: np.ndarray, sizes: np.ndarray) -> tuple[float, float] | None:
    if len(boxes) < 20:
        return None
    width, height = np.max((boxes[:, :2] + boxes[:, 2:]) / sizes[:, ::-1], axis=0, initial=0).tolist()
    return (width, height) if 0 < max(width, height) < 0.6 else None
