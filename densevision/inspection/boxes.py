"""Findings and statistics about the boxes of a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densevision.data.sizes import describe_size, even_sample, size_as_read, size_fault
from densevision.detection.anchors import LINEAR_SCALES
from densevision.detection.coco_boxes import overhang
from densevision.detection.coco_counts import find_repeated, untrained_reasons
from densevision.detection.coco_json import CocoTable
from densevision.detection.coco_reader import CocoReader
from densevision.detection.coverage import MATCHED, best_iou
from densevision.images import IMAGE_SUFFIXES
from densevision.inspection.finding import Action, Finding, Severity
from densevision.inspection.scan import ImageFacts

_SMALL = 8  # pixels of the longer side at the network's input
_MEASURED = 20_000  # boxes that are compared with the anchors
_COVERED = 0.8  # share of the boxes with an anchor; less is worth a warning


def box_findings(split: str, dataset: Any, images: Sequence[ImageFacts]) -> list[Finding]:
    """Describe what is wrong with the annotations of a ``CocoDataset``.

    Args:
        images: the file of each image, by index.
    """
    table = CocoReader(**dataset.metainfo["reader"]).read()
    paths = np.array([image.path for image in images], object)
    return [
        *_size_findings(split, dataset, images),
        *_annotation_findings(split, table, paths, set(dataset.metainfo["category_ids"])),
        *_image_findings(split, dataset, paths),
    ]


def _size_findings(split: str, dataset: Any, images: Sequence[ImageFacts]) -> list[Finding]:
    wrong: dict[str, str] = {}
    for row, image in enumerate(images):
        fault = None if image.fault else size_fault(dataset.annotated(row), image.header, dataset.exif)
        if fault:
            wrong[image.path] = fault
    if not wrong:
        return []
    first = next(iter(wrong.values()))
    text = f"{len(wrong):,} images do not have the size of their annotations; the first, {first}"
    effect = "training stops" if split != "test" else "densevision test stops"
    return [Finding("size-differs", "error", split, text, "stop", effect, len(wrong), tuple(wrong))]


def _annotation_findings(split: str, table: CocoTable, paths: np.ndarray, used: set) -> list[Finding]:
    """Describe boxes by the reasons for which they are counted, with the files of each."""
    sizes = table.sizes[table.image_rows]
    chosen = np.array([id_ in used for id_ in table.category_ids], bool)[table.category_rows]
    reasons = untrained_reasons(table, sizes)
    trained = chosen & ~np.any(list(reasons.values()), axis=0)
    over: np.ndarray = overhang(table.boxes, np.where(sizes > 0, sizes, np.inf)) > 0.5
    kept = "ignored in training, kept in the evaluation as COCO's tools do"
    ignored = "ignored in training: correct or remove them" if split in ("train", "all") else kept
    repeated = find_repeated(table)
    rows: list[tuple[str, Severity, str, Action, str, np.ndarray]] = [
        ("crowd", "note", "marked as crowd (iscrowd 1)", "ignore", kept, chosen & reasons["marked as crowd"]),
        ("degenerate", "warning", "of zero size", "ignore", ignored, chosen & reasons["of zero size"]),
        ("degenerate", "warning", "under one pixel", "ignore", ignored, chosen & reasons["under one pixel"]),
        ("outside", "warning", "outside of their image", "ignore", ignored, chosen & reasons["outside of the image"]),
        ("overhanging", "note", "beyond the edge of their image", "use", "clipped to the image", trained & over),
        ("duplicated", "warning", "that repeat another one exactly", "use", "each counts twice: remove them", repeated),
        (
            "two-classes",
            "warning",
            "with the same corners as a box of another class",
            "use",
            "the classes contradict each other: keep one of them",
            trained & _contradicted(table),
        ),
        ("left-out", "note", "of classes that the config leaves out", "ignore", "ignored", ~chosen),
    ]
    findings = [
        Finding(kind, severity, split, _boxes(mask, text), action, effect, int(mask.sum()), _files(table, mask, paths))
        for kind, severity, text, action, effect, mask in rows
        if mask.any()
    ]
    for reason, count in table.skipped.items():
        findings.append(
            Finding("no-box", "warning", split, f"{count:,} annotations {reason}", "ignore", ignored, count)
        )
    return findings


def _boxes(mask: np.ndarray, text: str) -> str:
    count = int(mask.sum())
    return f"{count:,} box{'es' if count != 1 else ''} {text}"


def _files(table: CocoTable, mask: np.ndarray, paths: np.ndarray) -> tuple[str, ...]:
    return tuple(paths[np.unique(table.image_rows[mask])].tolist())


def _contradicted(table: CocoTable) -> np.ndarray:
    """Return [M] bool, boxes with the corners of an earlier box of another class in the same image."""
    rows = np.column_stack([table.image_rows, table.boxes])
    order = np.lexsort(rows.T)
    same = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    other = table.category_rows[order[1:]] != table.category_rows[order[:-1]]
    contradicted = np.zeros(len(rows), bool)
    contradicted[order[1:]] = same & other
    return contradicted


def _image_findings(split: str, dataset: Any, paths: np.ndarray) -> list[Finding]:
    empty = paths[np.diff(dataset.starts) == 0]
    findings = []
    if len(empty) and len(dataset.labels):
        most = 2 * len(empty) > len(paths)
        text = f"{len(empty):,} of {len(paths):,} images have no annotation"
        effect = "used as background; if they have objects, label them"
        severity: Severity = "warning" if most else "note"
        findings.append(Finding("no-objects", severity, split, text, "use", effect, len(empty), tuple(empty)))
    extra = _unlisted(dataset, paths)
    if extra:
        text = f"{len(extra):,} image files in {dataset.image_dir} are not in the annotations"
        findings.append(Finding("not-listed", "note", split, text, "ignore", "not used", len(extra), tuple(extra)))
    return findings


def _unlisted(dataset: Any, paths: np.ndarray) -> list[str]:
    """Return the images next to those in use; none if a list chooses the images."""
    if dataset.metainfo["reader"].get("image_list"):
        return []
    known = {str(Path(path)) for path in paths}
    folders = {Path(path).parent for path in known}
    files = (file for folder in sorted(folders) if folder.is_dir() for file in sorted(folder.iterdir()))
    return [str(file) for file in files if file.suffix.lower() in IMAGE_SUFFIXES and str(file) not in known]


def box_statistics(dataset: Any, images: Sequence[ImageFacts]) -> dict[str, Any]:
    """Return objects per image, images per class and box sizes in pixels of the image and of the network input."""
    per_image = np.diff(dataset.starts)
    rows = np.repeat(np.arange(len(dataset)), per_image)
    names = dataset.metainfo["classes"]
    with_class = [len(set(rows[dataset.labels == label].tolist())) for label in range(len(names))]
    boxes = input_boxes(dataset, images)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) if len(boxes) else np.zeros(0)
    return {
        "objects_per_image": _spread(per_image),
        "images_per_class": dict(zip(names, with_class, strict=True)),
        "input_size": list(dataset.input_size),
        "longer_side_at_input": _spread(longer),
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    low, middle, high = np.percentile(values, (10, 50, 90)).tolist()
    return dict(min=float(values.min()), tenth=low, median=middle, nine_tenths=high, max=float(values.max()))


def input_boxes(dataset: Any, images: Sequence[ImageFacts]) -> np.ndarray:
    """Return the [M, 4] boxes in pixels of the network input, those of images that can't be read left out."""
    sizes = np.array([size_as_read(image.header, dataset.exif) for image in images], float).reshape(-1, 2)
    per_box = sizes[np.repeat(np.arange(len(dataset)), np.diff(dataset.starts))]
    known = (per_box > 0).all(axis=1)
    scale = np.array(dataset.input_size) / per_box[known]
    return dataset.boxes[known] * scale[:, [1, 0, 1, 0]]


def fit_findings(split: str, dataset: Any, images: Sequence[ImageFacts], model: Any) -> tuple[list[Finding], list[str]]:
    """Compare the boxes with the anchors and the input size of a config's model.

    Returns:
        Findings, and facts in words.
    """
    boxes = input_boxes(dataset, images)
    if not len(boxes):
        return [], []
    findings, size = [], describe_size(dataset.input_size)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    small = int((longer < _SMALL).sum())
    if small:
        text = f"{small:,} of {len(boxes):,} boxes are under {_SMALL} pixels long at the input size {size}"
        effect = "used, but such objects are seldom found: increase model.input_size, or crop the images"
        severity: Severity = "warning" if 20 * small > len(boxes) else "note"
        findings.append(Finding("small-boxes", severity, split, text, "use", effect, small))
    anchors = dict(model.get("anchors") or {})
    if "head" in model or len(anchors.get("scales", range(6))) != 6 or anchors.get("lowest", 0.1) is None:
        return findings, []
    sample = boxes[even_sample(len(boxes), _MEASURED)]
    default = dict(scales=LINEAR_SCALES, lowest=0.1)
    matched = best_iou(sample, **{**default, **anchors}, input_size=dataset.input_size) >= MATCHED
    share = float(matched.mean())
    of = "" if len(sample) == len(boxes) else f" of {len(sample):,} of them"
    fact = f"anchors: {share:.0%}{of} of the boxes have an anchor with IoU {MATCHED} or more"
    if share < _COVERED:
        text = f"only {share:.0%} of the boxes have an anchor with IoU {MATCHED} or more"
        effect = "used, each by its best anchor only: densevision new DATA fits anchors=dict(scales=..., lowest=...)"
        count = int((~matched).sum())
        findings.append(Finding("anchors", "warning", split, text, "use", effect, count))
    return findings, [fact]
