"""Findings about boxes and masks, from the counts that a training prints at its start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from densevision.data.check import SplitCounts, share
from densevision.inspection.finding import Finding

_DOMINANT = 0.95  # share of one class
_RARE = 10  # boxes of a class, below which hardly anything is learned
_TINY = 8.0  # pixels of the network input that the shorter side of a box should have


def count_findings(split: str, counts: SplitCounts, *, trains: bool) -> list[Finding]:
    """Turn the counts of a split into findings."""
    findings = []
    fault = counts.training_fault if trains else counts.evaluation_fault
    if fault:
        findings.append(Finding("unusable", "error", split, fault, "stop", "stops before the first iteration"))
    for reason, count in counts.dropped.items():
        text = f"{_number(count, counts.unit)} {reason}"
        findings.append(Finding("dropped", "warning", split, text, "ignore", "not used at all", count))
    for reason, count in counts.untrained.items():
        text = f"{_number(count, counts.unit)} {reason}"
        effect = "ignored in training, kept by the evaluation as COCO's tools do"
        findings.append(Finding("untrained", "warning", split, text, "ignore", effect, count))
    findings += [Finding("counts", "note", split, note, "use", "") for note in counts.notes]
    return findings + _class_findings(split, counts)


def _number(count: int, unit: str) -> str:
    return (
        f"1 {unit.removesuffix('es') if unit == 'boxes' else unit.removesuffix('s')}"
        if count == 1
        else f"{count:,} {unit}"
    )


def _class_findings(split: str, counts: SplitCounts) -> list[Finding]:
    per_class, total = counts.per_class, sum(counts.per_class.values())
    findings = []
    absent = tuple(name for name, count in per_class.items() if not count)
    if absent and total:
        text = f"{len(absent)} of {len(per_class)} classes do not occur: {', '.join(absent[:6])}"
        effect = "can't be learned, or measured; remove them from classes, or label some"
        findings.append(Finding("empty-class", "warning", split, text, "use", effect, len(absent)))
    rare = [name for name, count in per_class.items() if 0 < count < _RARE and counts.unit == "boxes"]
    if rare:
        listed = ", ".join(f"{name} ({per_class[name]})" for name in rare[:6])
        text = f"{len(rare)} classes have fewer than {_RARE} boxes: {listed}"
        findings.append(Finding("rare-class", "note", split, text, "use", "hardly learned; label more", len(rare)))
    name = max(per_class, key=lambda each: per_class[each], default="")
    if len(per_class) > 1 and total and per_class[name] > _DOMINANT * total:
        text = f"{name} has {share(per_class[name], total)} of the {counts.unit}"
        effect = "the other classes are learned late; label more of them"
        findings.append(Finding("dominant-class", "note", split, text, "use", effect, per_class[name]))
    return findings


def box_facts(dataset: Any) -> tuple[dict[str, Any], list[str]]:
    """Return statistics of the boxes of a detection split: by name, and in words."""
    per_image = np.diff(dataset.starts)
    sides = np.sqrt(np.prod(_sides(_input_boxes(dataset)), axis=1))
    if not len(sides):
        return {}, []
    low, middle, high = np.quantile(sides, (0.1, 0.5, 0.9))
    height, width = dataset.input_size
    numbers = {
        "objects_per_image": dict(mean=float(per_image.mean()), most=int(per_image.max())),
        "box_side_at_input": {"10%": float(low), "50%": float(middle), "90%": float(high)},
    }
    return numbers, [
        f"objects per image: {per_image.mean():.1f} on average, {per_image.max():,} at most",
        f"box sizes at {width}x{height}: {low:.0f} to {high:.0f} pixels (middle 80 %), median {middle:.0f}",
    ]


def _input_boxes(dataset: Any) -> np.ndarray:
    """Return [M, 4] xyxy of the boxes in pixels of the network input, where image sizes are known."""
    rows = np.repeat(np.arange(len(dataset)), np.diff(dataset.starts))
    sizes = dataset.sizes[rows]
    known = (sizes > 0).all(axis=1)
    scale = np.array(dataset.input_size[::-1]) / sizes[known][:, ::-1]
    return dataset.boxes[known] * np.tile(scale, 2)


def _sides(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 2:] - boxes[:, :2]


def box_findings(split: str, dataset: Any, anchors: Mapping[str, Any] | None) -> list[Finding]:
    """Compare the boxes with the input size and, where a config states them, with the anchors.

    Args:
        anchors: of the config's model, with its ``scales`` and ``lowest``; None for a folder.
    """
    boxes = _input_boxes(dataset)
    sides = _sides(boxes)
    tiny = int((sides.min(axis=1) < _TINY).sum()) if len(sides) else 0
    findings = []
    if tiny > 0.05 * len(sides):
        height, width = dataset.input_size
        text = f"{tiny:,} of {len(sides):,} boxes are narrower than {_TINY:.0f} pixels at {width}x{height}"
        effect = "hardly found at this input; a larger model.input_size helps"
        findings.append(Finding("tiny-boxes", "warning", split, text, "use", effect, tiny))
    if anchors is not None and len(sides):
        findings += _anchor_findings(split, boxes, dataset.input_size, anchors)
    return findings


def _anchor_findings(
    split: str, boxes: np.ndarray, input_size: tuple[int, int], anchors: Mapping[str, Any]
) -> list[Finding]:
    from densevision.detection.anchors import LINEAR_SCALES
    from densevision.detection.coverage import MATCHED, best_iou

    scales, lowest = anchors.get("scales", LINEAR_SCALES), anchors.get("lowest", 0.1)
    if lowest is None or len(scales) != len(LINEAR_SCALES):
        return []
    missed = int((best_iou(boxes, scales, lowest, input_size) < MATCHED).sum())
    text = f"anchors match {share(len(boxes) - missed, len(boxes))} of the boxes (IoU {MATCHED} or more)"
    if missed < 0.15 * len(boxes):
        return [Finding("anchors", "note", split, text, "use", "", missed)]
    effect = "the others are trained on their best anchor only; densevision new fits anchors to the data"
    return [Finding("anchors", "warning", split, text, "use", effect, missed)]


def mask_findings(split: str, dataset: Any) -> list[Finding]:
    """Name the label files that can't be read, or that contain ids without a class; all files have been read."""
    findings = []
    damaged = dataset.id_counts.damaged
    if damaged:
        files = tuple(str(dataset.labels[index]) for index in sorted(damaged))
        text = f"{len(files):,} of {len(dataset):,} label files can't be read: {next(iter(damaged.values()))}"
        findings.append(Finding("unreadable-mask", "error", split, text, "stop", "save them again", len(files), files))
    kept = [index for index in range(len(dataset)) if index not in damaged]
    by_file = dataset.id_counts.read(kept)  # [F, 256], in memory
    known = dataset.lookup < len(dataset.metainfo["classes"])
    total = max(1, int(by_file.sum()))
    for label_id in np.flatnonzero((by_file.sum(0) > 0) & ~known).tolist():
        rows = np.flatnonzero(by_file[:, label_id])
        files = tuple(str(dataset.labels[kept[row]]) for row in rows)
        pixels = int(by_file[:, label_id].sum())
        text = f"id {label_id} belongs to no class: {share(pixels, total)} of the pixels, in {len(files):,} files"
        effect = "ignored; name it in classes if it is one"
        findings.append(Finding("unnamed-id", "note", split, text, "ignore", effect, pixels, files))
    return findings


def mask_counts(dataset: Any) -> dict[str, int]:
    """Return class name -> pixels of all label files."""
    by_id = dataset.id_counts.read(range(len(dataset))).sum(0)
    names = dataset.metainfo["classes"]
    totals = np.bincount(dataset.lookup, weights=by_id, minlength=256)[: len(names)]
    return dict(zip(names, totals.astype(int).tolist(), strict=True))
