"""The formats that ``CocoDataset`` reads besides COCO's json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from densevision.data.formats.cvat import read_cvat
from densevision.data.formats.label_studio import read_label_studio
from densevision.data.formats.labelme import read_labelme
from densevision.data.formats.tables import read_createml, read_csv
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
    "labelme": BoxFormat(read_labelme),
    "cvat": BoxFormat(read_cvat),
    "label_studio": BoxFormat(read_label_studio),
    "createml": BoxFormat(read_createml, "cxcywh"),
    "csv": BoxFormat(read_csv, "xyxy"),
}
