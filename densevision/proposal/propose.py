"""Choose all settings of a training for a folder of data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from densevision.data.formats.layout import Layout
from densevision.data.sizes import describe_size
from densevision.errors import UserError
from densevision.proposal.anchors import AnchorChoice, fit_anchors
from densevision.proposal.facts import Facts, arguments_of, common_folder, content_hashes, measure
from densevision.proposal.flips import choose_flips
from densevision.proposal.network import choose_backbone, describe_backbone
from densevision.proposal.schedule import RECIPES, Schedule, choose_schedule
from densevision.proposal.sizes import choose_class_input, choose_crop, choose_input_size
from densevision.proposal.split import split_classes, split_images
from densevision.proposal.start import Start


@dataclass(frozen=True)
class Parts:
    """The divided data.

    Attributes:
        arguments: "train", "val" and maybe "test" -> arguments of the data set that differ from the shared ones.
        facts: of the training part, or of all images where ``lists`` divides them.
        images: number of images of each part.
        lists: part -> names of its images, one per line of a file; empty where the folder divides the data.
        reason: how the data are divided.
        lines: what the data contain, for the user.
        uniform: whether all images of each part that is evaluated have one size.
    """

    arguments: Mapping[str, Mapping[str, Any]]
    facts: Facts
    images: Mapping[str, int]
    lists: Mapping[str, tuple[str, ...]]
    reason: str
    lines: tuple[str, ...]
    uniform: bool


@dataclass(frozen=True)
class Proposal:
    """All settings of a training.

    Attributes:
        layout: of the data.
        parts: the divided data.
        backbone: arguments of ``build_backbone``.
        size: (height, width) of the detector's or classifier's input, or of the segmentation model's crop.
        anchors: of a detector; None in the other tasks.
        flips: names of the flips.
        schedule: of the training.
        val_batch: images per batch of an evaluation.
        start: weights to start from.
        reasons: setting -> value and reason, in one line.
    """

    layout: Layout
    parts: Parts
    backbone: Mapping[str, Any]
    size: tuple[int, int]
    anchors: AnchorChoice | None
    flips: tuple[str, ...]
    schedule: Schedule
    val_batch: int
    start: Start
    reasons: Mapping[str, str]


def divide(layout: Layout, folder: Path, name: str) -> Parts:
    """Measure the data; divide the images where the folder does not.

    Args:
        folder: where the lists of the images of each part will be written, as ``NAME_train.txt`` and ``NAME_val.txt``.
    Raises:
        UserError: the data can't be used.
    """
    whole = "train" if "train" in layout.parts else "all" if "all" in layout.parts else next(iter(layout.parts))
    facts = measure(layout, whole, training=True)
    arguments = {part: dict(layout.parts[part]) for part in ("test",) if part in layout.parts and part != whole}
    own = dict(layout.parts[whole])
    if "val" in layout.parts and whole != "val":
        val = measure(layout, "val", facts.classes, training=False)
        arguments |= dict(train=own, val=dict(layout.parts["val"]))
        images = dict(train=len(facts.paths), val=len(val.paths))
        lines = (*facts.lines("train"), *val.lines("val"))
        return Parts(arguments, facts, images, {}, "as the folder divides them", lines, val.uniform)
    hashes = content_hashes(facts.paths)
    if layout.task == "classification":
        split = split_classes(facts.paths, hashes, [min(labels) for labels in facts.contents])
    else:
        split = split_images(facts.paths, hashes, facts.contents)
    root = common_folder(arguments_of(layout, whole))
    rows_of = dict(train=split.train, val=split.val)
    lists = {part: tuple(sorted(_relative(facts.paths[row], root) for row in rows)) for part, rows in rows_of.items()}
    arguments |= {part: dict(own, image_list=str(folder / f"{name}_{part}.txt")) for part in lists}
    images = {part: len(rows) for part, rows in rows_of.items()}
    return Parts(arguments, facts, images, lists, split.reason, tuple(facts.lines(whole)), facts.uniform)


def _relative(path: str, root: Path) -> str:
    """Write a path as in an image list: relative to the folder of the images, with slashes."""
    relative = os.path.relpath(path, root)
    return (os.path.abspath(path) if relative.startswith(os.pardir) else relative).replace(os.sep, "/")


def propose(layout: Layout, parts: Parts, start: Start, *, model: str | None, target: str) -> Proposal:
    """Choose all settings.

    Args:
        parts: from ``divide``.
        start: from ``find_start``.
        model, target: see ``choose_backbone``.
    Raises:
        UserError: there is no such model.
    """
    facts = parts.facts
    backbone = choose_backbone(layout.task, model, target)
    flips = choose_flips(facts.classes)
    schedule = choose_schedule(parts.images["train"], RECIPES[layout.task], pretrained=start.path is not None)
    anchors = None
    if layout.task == "classification":
        size = choose_class_input(facts.sizes, target)
    elif layout.task == "detection":
        size = choose_input_size(facts.sizes, facts.boxes, facts.labels, target)
        height, width = size.value
        anchors = fit_anchors(facts.boxes * np.array([width, height] * 2), facts.labels, size.value)
    else:
        size = choose_crop(facts.sizes, target)
    chosen = {
        "split": f"{parts.images['train']:,} train, {parts.images['val']:,} val: {parts.reason}",
        "model": f"{describe_backbone(backbone.value)} ({backbone.reason})",
        "crop"
        if layout.task == "segmentation"
        else "input": f"{describe_size(size.value)} (width x height): {size.reason}",
        "weights": start.reason if start.path else f"from scratch: {start.reason}",
        "anchors": _describe_anchors(anchors) if anchors else "",
        "schedule": _describe_schedule(schedule, parts.images["train"], pretrained=start.path is not None),
        "flips": flips.reason,
        "balance": "classes weigh by how rare their pixels are (BalanceClasses)"
        if layout.task == "segmentation"
        else "",
    }
    return Proposal(
        layout=layout,
        parts=parts,
        backbone=backbone.value,
        size=size.value,
        anchors=anchors,
        flips=flips.value,
        schedule=schedule,
        val_batch=_val_batch(parts, schedule.batch, layout.task),
        start=start,
        reasons={setting: line for setting, line in chosen.items() if line},
    )


def _val_batch(parts: Parts, batch: int, task: str) -> int:
    """Return the batch of an evaluation: 1 for segmentation of images of several sizes, which no batch can contain."""
    if task != "segmentation":
        return min(16 if task == "detection" else 32, parts.images["val"])
    return min(4, batch, parts.images["val"]) if parts.uniform else 1


def _describe_anchors(anchors: AnchorChoice) -> str:
    if anchors.is_default:
        return f"the default ones match {anchors.coverage:.1%} of the boxes (IoU 0.5 or more)"
    gain = f"{anchors.coverage:.1%} of the boxes (IoU 0.5 or more), the default ones {anchors.default_coverage:.1%}"
    return f"fitted to the boxes: they match {gain}"


def _describe_schedule(schedule: Schedule, images: int, *, pretrained: bool) -> str:
    epochs = f"{schedule.epochs:,.0f} epochs of {images:,} images"
    why = "for published weights" if pretrained else "from scratch"
    return (
        f"{schedule.iterations:,} iterations of {schedule.batch} = {epochs}, {why}; warm-up {schedule.warmup}, "
        f"evaluation every {schedule.interval}; --max-time 20m shortens it"
    )


def check_test_part(layout: Layout, parts: Parts) -> tuple[Parts, str | None]:
    """Leave a test part out whose images have no labels; return the parts and a note."""
    if "test" not in parts.arguments:
        return parts, None
    try:
        test = measure(layout, "test", parts.facts.classes, training=False)
    except UserError as error:
        kept = {part: values for part, values in parts.arguments.items() if part != "test"}
        return replace(parts, arguments=kept), f"the test images are not used: {error}"
    return replace(parts, uniform=parts.uniform and test.uniform), None
