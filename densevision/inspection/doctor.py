"""Read all of a data set once, and report what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from densevision.classification.dataset import ImageFolder
from densevision.data.check import SplitCounts
from densevision.detection.coco import CocoDataset
from densevision.errors import UserError, listed
from densevision.inspection.boxes import box_findings, box_statistics, fit_findings
from densevision.inspection.duplicates import contradiction_findings, duplicate_findings
from densevision.inspection.finding import Finding, Inspection, Severity, SplitReport, in_order
from densevision.inspection.image_findings import image_findings, size_fact
from densevision.inspection.masks import MaskFacts, examine_mask, mask_findings, mask_statistics
from densevision.inspection.scan import ImageFacts, examine, map_parallel
from densevision.inspection.source import Source, Split
from densevision.segmentation.dataset import LabelMapDataset
from densevision.stages import steps

_DOMINANT = 0.95  # share of one class that is worth a note
_FEW = 10  # boxes or images of a class that training hardly learns from


def inspect_source(source: Source) -> Inspection:
    """Read every image and label file of a config or folder.

    Args:
        source: from ``open_source``.
    """
    started = time.perf_counter()
    images: dict[str, list[ImageFacts]] = {}
    reports, findings = [], []
    for split in source.splits:
        if split.fault:
            findings.append(_stopped("data-set", split, split.fault))
        if split.dataset is None or not hasattr(split.dataset, "image_paths"):
            reports.append(SplitReport(split.name, 0))
            continue
        images[split.name], masks = _read(split)
        report, found = _inspect_split(split, images[split.name], masks, source.config)
        reports.append(report)
        findings += found
    findings += _absent_classes(reports) + duplicate_findings(images)
    seconds = time.perf_counter() - started
    return Inspection(source.name, source.notes, tuple(reports), in_order(findings), seconds)


def _stopped(kind: str, split: Split, fault: str) -> Finding:
    effect = "training stops" if split.name != "test" else "densevision test stops"
    return Finding(kind, "error", split.name, fault, "stop", effect)


def _read(split: Split) -> tuple[list[ImageFacts], list[MaskFacts]]:
    dataset, paths = split.dataset, split.dataset.image_paths()
    apply_exif = getattr(dataset, "exif", "apply") == "apply"
    labeled = isinstance(dataset, LabelMapDataset) and len(dataset.labels) > 0

    def read(index: int) -> tuple[ImageFacts, MaskFacts | None]:
        image = examine(str(paths[index]), apply_exif=apply_exif)
        return image, examine_mask(dataset, index) if labeled else None

    what = f"{split.name}: reading {len(paths):,} images"
    results = map_parallel(read, range(len(paths)))
    pairs = [result for _, result in zip(steps(range(len(paths)), what), results, strict=True)]
    return [image for image, _ in pairs], [mask for _, mask in pairs if mask is not None]


def _inspect_split(
    split: Split, images: Sequence[ImageFacts], masks: Sequence[MaskFacts], config: Any
) -> tuple[SplitReport, list[Finding]]:
    name, dataset = split.name, split.dataset
    exif = getattr(dataset, "exif", "apply")
    report = SplitReport(name, len(images), facts=tuple(filter(None, [size_fact(images, exif)])))
    findings = image_findings(name, images, exif=exif)
    if isinstance(dataset, CocoDataset):
        findings += box_findings(name, dataset, images)
        fitting, facts = fit_findings(name, dataset, images, config.model) if config else ([], [])
        findings += fitting
        report = replace(report, statistics=box_statistics(dataset, images), facts=(*report.facts, *facts))
    elif isinstance(dataset, ImageFolder):
        findings += contradiction_findings(name, images, [dataset.metainfo["classes"][each] for each in dataset.labels])
    elif masks:
        findings += mask_findings(name, dataset, images, masks)
        report = replace(report, statistics=mask_statistics(dataset))
    counts, faults = _count(split)
    findings += [_stopped("content", split, fault) for fault in faults if not _is_known(fault, findings)]
    if counts is not None:
        findings += _class_findings(split, counts)
    return replace(report, counts=counts), findings


def _count(split: Split) -> tuple[SplitCounts | None, list[str]]:
    """Count a split as a training or evaluation does at its start; also return why it would stop."""
    dataset, role = split.dataset, "train" if split.trains else split.name
    try:
        counts = dataset.count_boxes(role) if isinstance(dataset, CocoDataset) else dataset.count(role)
    except UserError as error:
        return None, [str(error)]
    fault = counts.training_fault if split.trains else counts.evaluation_fault
    return counts, [fault] if fault else []


def _is_known(fault: str, findings: Iterable[Finding]) -> bool:
    """Tell whether a fault is about the files of a finding."""
    return any(path in fault for found in findings if found.severity == "error" for path in found.files)


def _class_findings(split: Split, counts: SplitCounts) -> list[Finding]:
    total = sum(counts.per_class.values())
    if not total:
        return []
    findings, name = [], split.name
    top = max(counts.per_class, key=counts.per_class.__getitem__)
    if len(counts.per_class) > 1 and counts.per_class[top] > _DOMINANT * total:
        text = f"{top} has {counts.per_class[top] / total:.0%} of the {counts.unit}"
        effect = "used; the other classes are learned slowly: add images of them"
        findings.append(Finding("dominant-class", "warning", name, text, "use", effect))
    empty = [each for each, count in counts.per_class.items() if not count]
    if empty:
        text = f"no {counts.unit} of {len(empty)} classes: {listed(empty, 8)}"
        effect = "never predicted" if split.trains else "no value in the metric; the mean is over the other classes"
        severity: Severity = "warning" if split.trains else "note"
        findings.append(Finding("empty-class", severity, name, text, "use", effect, len(empty)))
    few = [f"{each} {count}" for each, count in counts.per_class.items() if 0 < count < _FEW]
    if few and split.trains and counts.unit in ("boxes", "labels"):
        text = f"fewer than {_FEW} {counts.unit} of {len(few)} classes: {listed(few, 8)}"
        effect = "used; such classes are hardly learned: add images of them"
        findings.append(Finding("rare-class", "warning", name, text, "use", effect, len(few)))
    return findings


def _absent_classes(reports: Sequence[SplitReport]) -> list[Finding]:
    """Find classes that val or test has and train lacks."""
    counted = {report.name: report.counts.per_class for report in reports if report.counts is not None}
    train = counted.pop("train", None)
    if train is None:
        return []
    findings = []
    for name, per_class in counted.items():
        lost = [each for each, count in per_class.items() if count and not train.get(each, 0)]
        if lost:
            text = f"{len(lost)} classes occur here and not in train: {listed(lost, 8)}"
            effect = "never found: move images of them to train"
            findings.append(Finding("untrained-class", "warning", name, text, "use", effect, len(lost)))
    return findings
