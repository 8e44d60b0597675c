"""Count the annotations of a COCO json by class and by their use, and describe what looks wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densevision.detection.coco_boxes import overhang
from densevision.detection.coco_json import CocoTable


@dataclass(frozen=True)
class CocoCounts:
    """The annotations of a json, counted.

    Attributes:
        objects: class name -> number of boxes, without crowds.
        dropped: reason -> number of annotations that are not used at all.
        untrained: reason -> number of annotations that training ignores and the evaluation keeps.
        notes: facts that deserve a look, one line each.
        outside_fault: the fault if most boxes are outside of their images.
        no_box_cause: the likely cause if no box is left.
    """

    objects: dict[str, int]
    dropped: dict[str, int]
    untrained: dict[str, int]
    notes: tuple[str, ...]
    outside_fault: str | None
    no_box_cause: str


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
    ignored = {why: int((mask & chosen).sum()) for why, mask in untrained.items() if (mask & chosen).any()}
    objects = np.bincount(labels[chosen & ~table.crowds], minlength=len(classes)).tolist()
    crowds = np.bincount(labels[chosen & table.crowds], minlength=len(classes)).tolist()
    trained = chosen & ~np.any(list(untrained.values()), axis=0)
    notes = _box_notes(table.boxes[trained], table.sizes[table.image_rows[trained]])
    repeated = int(find_repeated(table).sum())
    if repeated:
        notes.append(f"boxes that repeat another one exactly (same image, class and corners): {repeated:,}")
    crowded = [name for name, n, crowd in zip(classes, objects, crowds, strict=True) if crowd > n]
    if crowded:
        notes.append(
            f"more crowds than objects: {', '.join(crowded[:12])}; crowds='objects' in the data set of the config "
            "reads crowds as objects"
        )
    return CocoCounts(
        dict(zip(classes, objects, strict=True)),
        dropped,
        ignored,
        tuple(notes),
        _outside_fault(ignored.get("outside of the image", 0), int(chosen.sum()), table.path),
        _no_box_cause(table, dropped | ignored),
    )


def _box_notes(boxes: np.ndarray, sizes: np.ndarray) -> list[str]:
    sizes = np.where(sizes > 0, sizes, np.inf)
    notes = []
    overhanging = int((overhang(boxes, sizes) > 0.5).sum())
    if overhanging:
        notes.append(f"boxes that extend beyond their image, clipped in training: {overhanging:,}")
    width, height = np.max((boxes[:, :2] + boxes[:, 2:]) / sizes[:, ::-1], axis=0, initial=0).tolist()
    if len(boxes) >= 20 and 0 < max(width, height) < 0.6:
        notes.append(
            f"all boxes are in the upper left {width:.0%} x {height:.0%} of their images: are they in percent, or of "
            "images of another size?"
        )
    return notes


def _outside_fault(outside: int, chosen: int, path: Path) -> str | None:
    if 2 * outside <= chosen:
        return None
    return (
        f"{outside:,} of {chosen:,} boxes in {path} are outside of their images: are they of images of another size, "
        "or in another order? Correct them, or box_format in the data set of the config"
    )


def _no_box_cause(table: CocoTable, unused: dict[str, int]) -> str:
    if not table.annotated:
        return "it has no list 'annotations'"
    if len(table.crowds) and table.crowds.all():
        return (
            "all annotations are crowds (iscrowd 1), as CVAT exports masks; set crowds='objects' in the data set of "
            "the config to read them as objects"
        )
    lost = ", ".join(f"{count:,} {why}" for why, count in unused.items())
    return f"no box is left ({lost})" if lost else "it has no boxes"


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


def find_repeated(table: CocoTable) -> np.ndarray:
    """Return [M] bool, the annotations that repeat an earlier one: same image, category and numbers."""
    rows = np.column_stack([table.image_rows, table.category_rows, table.crowds, table.boxes])
    order = np.lexsort(rows.T)  # stable: of equal rows, the first stays the first
    repeated = np.zeros(len(rows), bool)
    repeated[order[1:]] = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    return repeated
