"""Recognize what a folder of images and labels is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from densevision.data.formats.box_layouts import recognize_coco, recognize_voc, recognize_yolo
from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_datasets import SEGMENTATION_FORMATS
from densevision.errors import UserError

Recognizer = Callable[[Path], Layout | None]
DETECTION_FORMATS: tuple[Recognizer, ...] = (recognize_coco, recognize_yolo, recognize_voc)
_BY_TASK: Mapping[str, tuple[Recognizer, ...]] = {
    "detection": DETECTION_FORMATS,
    "segmentation": SEGMENTATION_FORMATS,
}
_KNOWN = (
    "a COCO json next to images; data.yaml with images/ and labels/ (YOLO); Annotations/*.xml with images (VOC); "
    "images/ and masks/ for segmentation"
)


def recognize(data: Path, task: str | None = None) -> Layout:
    """Find out how the images and labels below a folder lie.

    Args:
        data: the folder, or the annotation file in it.
        task: "detection" or "segmentation"; None takes the first that fits, boxes before masks.
    Raises:
        UserError: it is no folder of labeled images, with what was found and what is looked for.
    """
    _check_path(data)
    tasks = [task] if task is not None else list(_BY_TASK)
    for name in tasks:
        for recognizer in _BY_TASK[name]:
            if (layout := recognizer(data)) is not None:
                return layout
    for other in set(_BY_TASK) - set(tasks):
        if any(recognizer(data) is not None for recognizer in _BY_TASK[other]):
            raise UserError(f"{data} has labels for {other} only; leave --task out")
    raise UserError(
        f"{data}: {_near_miss(data) or f'no labeled images found ({_contents(data)})'}; known are: {_KNOWN}"
    )


def _check_path(data: Path) -> None:
    if not data.exists():
        raise UserError(f"{data}: no such file or folder")
    if data.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"):
        raise UserError(f"{data} is an archive; unpack it and give the folder")
    if data.is_file() and data.suffix.lower() not in (".json", ".yaml", ".yml", ".xml"):
        raise UserError(f"{data}: give the folder of the images and labels, or their .json, .yaml or .xml file")


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
    files: Iterable[str] = [data.name] if data.is_file() else (name for _, _, names in os.walk(data) for name in names)
    return Counter(os.path.splitext(name)[1].lower() for name in files)
