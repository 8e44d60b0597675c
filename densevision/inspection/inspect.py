"""Read a whole data set once, and report what is wrong with it and what training does about it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from densevision.config.build_errors import config_errors
from densevision.data.check import SplitCounts
from densevision.errors import UserError
from densevision.inspection.duplicates import duplicate_findings
from densevision.inspection.files import file_findings, size_fact
from densevision.inspection.finding import Finding, Inspection, SplitReport, in_order
from densevision.inspection.labels import box_facts, box_findings, count_findings, mask_counts, mask_findings
from densevision.inspection.scan import ImageFacts, examine, map_parallel
from densevision.inspection.source import Source, Split

_BATCH = 64  # label files to read at a time
Advance = Callable[[str, int, int], object]  # what is read, number done, number of all


def inspect(source: Source, advance: Advance) -> Inspection:
    """Read all images and labels of a config or folder.

    Args:
        advance: is called with what is read and how far it is.
    """
    began = time.perf_counter()
    findings, reports = [], []
    images: dict[str, list[ImageFacts]] = {}
    anchors = _anchors(source)
    for split in source.splits:
        if split.dataset is None:
            findings.append(Finding("unusable", "error", split.name, split.fault, "stop", "stops at the start"))
            reports.append(SplitReport(split.name, 0))
            continue
        images[split.name] = _scan(split, advance)
        report, found = _inspect_split(split, images[split.name], anchors, advance)
        reports.append(report)
        findings += found
    findings += duplicate_findings(images)
    seconds = time.perf_counter() - began
    return Inspection(source.name, source.notes, tuple(reports), in_order(findings), seconds)


def _anchors(source: Source) -> Any:
    return None if source.config is None else (source.config.get("model") or {}).get("anchors", {})


def _scan(split: Split, advance: Advance) -> list[ImageFacts]:
    paths: Sequence[str] = split.dataset.image_paths()
    apply_exif = split.arguments.get("exif", "apply") == "apply"
    facts = []
    for done, fact in enumerate(map_parallel(lambda path: examine(path, apply_exif=apply_exif), paths), 1):
        facts.append(fact)
        advance(f"{split.name}: images", done, len(paths))
    return facts


def _inspect_split(
    split: Split, images: Sequence[ImageFacts], anchors: Any, advance: Advance
) -> tuple[SplitReport, list[Finding]]:
    findings = file_findings(split.name, images, trains=split.trains)
    if split.fault:
        findings.append(Finding("unusable", "error", split.name, split.fault, "stop", "stops at the start"))
    statistics: dict[str, Any] = {}
    facts = [size_fact(images)]
    is_detection = hasattr(split.dataset, "boxes")
    try:
        with config_errors():
            if not is_detection and len(split.dataset.labels):
                _read_masks(split, advance)
            counts = _count(split, is_detection, findings)
    except UserError as error:
        findings.append(Finding("unusable", "error", split.name, str(error), "stop", "stops at the start"))
        return SplitReport(split.name, len(images), None, statistics, tuple(facts)), findings
    findings += count_findings(split.name, counts, trains=split.trains)
    if is_detection:
        statistics, lines = box_facts(split.dataset)
        facts += lines
        findings += box_findings(split.name, split.dataset, anchors)
    elif len(split.dataset.labels):
        findings += mask_findings(split.name, split.dataset)
    return SplitReport(split.name, len(images), counts, statistics, tuple(facts)), findings


def _count(split: Split, is_detection: bool, findings: list[Finding]) -> SplitCounts:
    name = "train" if split.trains else split.name
    try:
        counts: SplitCounts = split.dataset.count(name)
    except UserError as error:
        if not is_detection:
            raise
        findings.append(Finding("unusable", "error", split.name, str(error), "stop", "stops at the start"))
        counts = split.dataset.count_boxes(name)
    if not is_detection and len(split.dataset.labels):
        notes = tuple(note for note in counts.notes if not note.startswith("pixels are those of"))
        counts = dataclasses.replace(counts, per_class=mask_counts(split.dataset), notes=notes)
    return counts


def _read_masks(split: Split, advance: Advance) -> None:
    indices: Iterable[int] = range(len(split.dataset))
    total = len(split.dataset)
    for start in range(0, total, _BATCH):
        split.dataset.id_counts.read(list(indices)[start : start + _BATCH])
        advance(f"{split.name}: masks", min(total, start + _BATCH), total)
