"""What a folder of data is: how its images and labels lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Layout:
    """A recognized folder of images and labels, as arguments of the data set that reads it.

    Attributes:
        name: of the format, for messages, such as "YOLO txt".
        task: name of the task in ``densevision.task.TASKS``.
        dataset: dotted name of the data set class, such as "densevision.detection.coco.CocoDataset".
        shared: the data set's arguments that all parts share; ``data_root`` is an absolute path.
        parts: arguments of each part: "train", "val" and "test" as the folder divides the data, or "all" where it
            doesn't.
        notes: what a user should be told, one line each, such as files that were not taken.
    """

    name: str
    task: str
    dataset: str
    shared: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = field(default=())
