"""Findings and statistics about the label maps of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from densevision.data.check import share
from densevision.data.sizes import describe_size, size_as_read
from densevision.errors import UserError
from densevision.inspection.finding import Finding, Severity
from densevision.inspection.scan import ImageFacts
from densevision.segmentation.loss import IGNORE_LABEL


@dataclass(frozen=True)
class MaskFacts:
    """One label file.

    Attributes:
        path: of the file.
        size: (height, width).
        damage: why it can't be read; empty if it can.
        wrong: why it is not a map of ids.
    """

    path: str
    size: tuple[int, int] = (0, 0)
    damage: str = ""
    wrong: str = ""


def examine_mask(dataset: Any, index: int) -> MaskFacts:
    """Read one label file of a ``LabelMapDataset``, and count its pixels in ``dataset.id_counts``."""
    path = str(dataset.labels[index])
    try:
        size = dataset.label_header(index).size
        dataset.id_counts.read_one(index)
    except OSError as error:
        return MaskFacts(path, damage=str(error).removeprefix(f"{path}: "))
    except UserError as error:
        return MaskFacts(path, size, wrong=str(error).removeprefix(path).strip(": "))
    return MaskFacts(path, size, dataset.id_counts.damaged.get(index, "").removeprefix(f"{path}: "))


def mask_findings(split: str, dataset: Any, images: Sequence[ImageFacts], masks: Sequence[MaskFacts]) -> list[Finding]:
    """Describe what is wrong with the label files of a split.

    Args:
        images: the file of each image, by index.
        masks: the label file of each image, by index.
    """
    return [
        *_damaged(split, masks),
        *_not_ids(split, masks),
        *_misfits(split, images, masks, dataset.exif),
        *_ids(split, dataset),
    ]


def _damaged(split: str, masks: Sequence[MaskFacts]) -> list[Finding]:
    lost = [mask for mask in masks if mask.damage]
    if not lost:
        return []
    text = f"{len(lost):,} label files cannot be read (the first: {lost[0].damage})"
    files = tuple(mask.path for mask in lost)
    if split in ("train", "all") and len(lost) < len(masks):
        effect = "skipped with their images: repair or remove them"
        return [Finding("mask-unreadable", "warning", split, text, "skip", effect, len(lost), files)]
    return [Finding("mask-unreadable", "error", split, text, "stop", f"{_stops(split)}: repair them", len(lost), files)]


def _stops(split: str) -> str:
    return "training stops" if split != "test" else "densevision test stops"


def _not_ids(split: str, masks: Sequence[MaskFacts]) -> list[Finding]:
    by_fault: dict[str, list[str]] = defaultdict(list)
    for mask in masks:
        if mask.wrong:
            by_fault[mask.wrong].append(mask.path)
    kinds = {fault: "mask-rgb" if "color image" in fault else "mask-not-ids" for fault in by_fault}
    return [
        Finding(
            kinds[fault],
            "error",
            split,
            f"{len(files):,} label files are not maps of ids (the first: {fault})",
            "stop",
            _stops(split),
            len(files),
            tuple(files),
        )
        for fault, files in by_fault.items()
    ]


def _misfits(split: str, images: Sequence[ImageFacts], masks: Sequence[MaskFacts], exif: str) -> list[Finding]:
    wrong, first = [], ""
    for image, mask in zip(images, masks, strict=True):
        size = size_as_read(image.header, exif)
        if image.fault or mask.size in ((0, 0), size):
            continue
        first = first or f"{describe_size(mask.size)}, its image {describe_size(size)}"
        wrong.append(mask.path)
    if not wrong:
        return []
    text = f"{len(wrong):,} label files have another size than their image (the first: {first})"
    effect = f"{_stops(split)}: write the labels at the size of their images"
    return [Finding("mask-size", "error", split, text, "stop", effect, len(wrong), tuple(wrong))]


def _ids(split: str, dataset: Any) -> list[Finding]:
    pixels, known = dataset.pixels(), dataset.id_counts.known
    rows = [index for index in known if index not in dataset.id_counts.damaged]
    paths = np.array([str(dataset.labels[index]) for index in rows], object)
    findings = []
    for id_, count in pixels.unnamed.items():
        files = tuple(paths[pixels.by_file[:, id_] > 0])
        is_border = id_ == IGNORE_LABEL
        text = f"id {id_}, {'ignored by convention' if is_border else 'which no class has'}: "
        text += f"{share(count, pixels.total)} of the pixels, in {len(files):,} label files"
        effect = "ignored" if is_border else "ignored: add it to classes if it is one"
        severity: Severity = "note" if is_border else "warning"
        findings.append(Finding("unknown-id", severity, split, text, "ignore", effect, count, files))
    used = pixels.lookup < len(dataset.metainfo["classes"])
    empty = tuple(paths[pixels.by_file[:, used].sum(axis=1) == 0])
    if empty and len(empty) < len(paths):
        text = f"{len(empty):,} of {len(paths):,} label files have no pixel of a class"
        findings.append(Finding("no-labels", "warning", split, text, "ignore", "add nothing", len(empty), empty))
    return findings


def mask_statistics(dataset: Any) -> dict[str, Any]:
    """Return the number of images with each class, and the number of classes per image."""
    names, pixels = dataset.metainfo["classes"], dataset.pixels()
    present = np.array([(pixels.by_file[:, pixels.lookup == label] > 0).any(axis=1) for label in range(len(names))])
    if not present.size:
        return {}
    per_image = present.sum(axis=0)
    return {
        "images_per_class": dict(zip(names, present.sum(axis=1).tolist(), strict=True)),
        "classes_per_image": dict(
            min=int(per_image.min()), median=float(np.median(per_image)), max=int(per_image.max())
        ),
    }
