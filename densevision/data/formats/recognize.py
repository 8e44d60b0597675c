"""Recognize what a folder of images and labels is."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from densevision.data.formats.box_exports import recognize_exports, recognize_labelme
from densevision.data.formats.box_layouts import recognize_coco, recognize_voc, recognize_yolo
from densevision.data.formats.class_folders import recognize_class_folders, single_class
from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_datasets import SEGMENTATION_FORMATS
from densevision.data.formats.polygon_layouts import recognize_polygons
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES

Recognizer = Callable[[Path], Layout | None]
DETECTION_FORMATS: tuple[Recognizer, ...] = (
    recognize_coco,
    recognize_yolo,
    recognize_voc,
    recognize_labelme,
    recognize_exports,
)
_BY_TASK: Mapping[str, tuple[Recognizer, ...]] = {
    "detection": DETECTION_FORMATS,
    "segmentation": (*SEGMENTATION_FORMATS, recognize_polygons),
    "classification": (recognize_class_folders,),
}
_KNOWN = (
    "known are, with boxes: COCO json, YOLO (data.yaml, images/, labels/), Pascal VOC xml, LabelMe, CVAT xml, Label "
    "Studio, CreateML, csv; with masks: images/ and masks/, Cityscapes, ADE20K, VOC, CamVid; "
    "with classes: a folder of images per class"
)


def recognize(data: Path, task: str | None = None) -> Layout:
    """Find out how the images and labels below a folder lie.

    Args:
        data: the folder, or the annotation file in it.
        task: "detection", "segmentation" or "classification"; None takes the first that fits, boxes before masks
            before class folders.
    Raises:
        UserError: it is no folder of labeled images, with what was found and what is looked for.
    """
    if task is not None and task not in _BY_TASK:
        raise UserError(f"task {task!r}; it must be one of {', '.join(_BY_TASK)}")
    _check_path(data)
    if data.is_dir() and not any(_suffixes(data)[suffix] for suffix in IMAGE_SUFFIXES):
        raise UserError(f"{data}: no images found ({_contents(data)}); give the folder that has images and labels")
    tasks = [task] if task is not None else list(_BY_TASK)
    faults: list[UserError] = []
    for name in tasks:
        layout = _first(data, name, faults)
        if layout is not None:
            notes = [f"not used: {fault}" for fault in faults]
            return dataclasses.replace(layout, notes=(*layout.notes, *notes))
    if faults:
        raise faults[0]
    for other in set(_BY_TASK) - set(tasks):
        if _first(data, other, faults) is not None:
            raise UserError(f"{data} has labels for {other}, none for {tasks[0]}")
    if (only := single_class(data)) is not None and task in (None, "classification"):
        raise UserError(
            f"{data} has images of one class, {only!r}; a classifier needs a folder of each of two or more, and other "
            "tasks need labels"
        )
    if (inner := _only_folder(data)) is not None:
        return recognize(inner, task)
    raise UserError(f"{data}: {_near_miss(data) or f'no labeled images found ({_contents(data)})'}; {_KNOWN}")


def _first(data: Path, task: str, faults: list[UserError]) -> Layout | None:
    """Return the first layout of a task, and append what is wrong with folders that are nearly in a format.

    Raises:
        UserError: the folder has boxes in two formats.
    """
    found: list[Layout] = []
    for recognizer in _BY_TASK[task]:
        try:
            layout = recognizer(data)
        except UserError as fault:
            faults.append(fault)
            continue
        if layout is not None:
            found.append(layout)
        if found and task == "segmentation":
            return found[0]
    if len(found) > 1:
        names = " and ".join(layout.name for layout in found)
        raise UserError(
            f"{data} has labels in two formats, {names}; give the .json or .yaml file, or remove the others"
        )
    return found[0] if found else None


def _check_path(data: Path) -> None:
    if not data.exists():
        raise UserError(f"{data}: no such file or folder")
    if data.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"):
        raise UserError(f"{data} is an archive; unpack it and give the folder")
    if data.is_file() and data.suffix.lower() not in (".json", ".yaml", ".yml", ".xml"):
        raise UserError(f"{data}: give the folder of the images and labels, or their .json, .yaml or .xml file")


def _only_folder(data: Path) -> Path | None:
    """Return the folder that a folder consists of, as archives often unpack to."""
    paths = [path for path in data.iterdir() if path.name[0] != "."] if data.is_dir() else []
    return paths[0] if len(paths) == 1 and paths[0].is_dir() and not paths[0].is_symlink() else None


def _near_miss(data: Path) -> str | None:
    """Say what a folder lacks to be a known format."""
    suffixes = _suffixes(data)
    if suffixes[".txt"] > 1 and any(suffixes[suffix] for suffix in (".jpg", ".jpeg", ".png")):
        return (
            f"{suffixes['.txt']:,} .txt files, but no data.yaml or classes.txt with the names of the classes; write "
            "data.yaml with names: [first, second]"
        )
    if suffixes[".xml"]:
        return f"{suffixes['.xml']:,} .xml files, but no image with the name of one"
    return None


def _contents(data: Path) -> str:
    suffixes = _suffixes(data)
    listed = ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in suffixes.most_common(4))
    return f"its files: {listed}" if listed else "it has no files"


def _suffixes(data: Path) -> Counter[str]:
    files: Iterable[str] = (
        [data.name] if data.is_file() else (name for _, _, names in os.walk(data, followlinks=True) for name in names)
    )
    return Counter(os.path.splitext(name)[1].lower() for name in files)
