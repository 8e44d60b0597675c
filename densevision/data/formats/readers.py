"""The formats that ``CocoDataset`` reads besides COCO's json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from densevision.data.formats.voc import read_voc
from densevision.data.formats.yolo import read_yolo


@dataclass(frozen=True)
class BoxFormat:
    """How a labeling tool's files are read.

    Attributes:
        read: (annotation file or folder, image folder) -> COCO's lists, and ``notes``.
        boxes: layout of the boxes in them, one of ``BOX_FORMATS``.
    """

    read: Callable[[Path, Path], dict[str, Any]]
    boxes: str = "xywh"


BOX_READERS = {
    "yolo": BoxFormat(read_yolo, "relative_cxcywh"),
    "voc": BoxFormat(read_voc),
}
