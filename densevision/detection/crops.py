"""Cut the objects of a detection data set out, as images in a folder per class."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densevision.detection.coco import CocoDataset
from densevision.errors import UserError
from densevision.images import write_image

MARGIN = 0.1  # of a box's sides, added on each side
SMALLEST = 8  # pixels of a crop's shorter side
_HELD_OUT = 5  # where the data are not divided, the objects of every fifth image become val


def write_crops(parts: Mapping[str, CocoDataset], out: Path) -> dict[str, Counter[str]]:
    """Write ``<part>/<class>/<image>_<number>.jpg`` for every box that training uses.

    The folder is whole or not there. Data in one part, "all", are divided into "train" and "val" by image.

    Args:
        parts: name of a part -> its data set.
        out: a new or empty folder.
    Returns:
        Per part the number of crops of each class, and as "" that of boxes too small to cut out.
    Raises:
        UserError: the folder has content, an image can't be read, or nothing is left.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose another one")
    out.parent.mkdir(parents=True, exist_ok=True)
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        whole = Path(temporary) / out.name
        for part, dataset in parts.items():
            folder_of = _folders(dataset)
            for index in range(len(dataset)):
                crops = list(_crops(dataset, index))
                place = part if part != "all" else _divide(index, crops, counts.get("train", {}))
                counted = counts.setdefault(place, Counter())
                stem = f"{index:06d}_{Path(dataset.file_names[index]).stem}"
                for number, (name, crop) in enumerate(crops):
                    counted[name if crop is not None else ""] += 1
                    if crop is not None:
                        folder = whole / place / folder_of[name]
                        folder.mkdir(parents=True, exist_ok=True)
                        write_image(folder / f"{stem}_{number}.jpg", crop)
        if not any(name for counted in counts.values() for name in counted):
            raise UserError(f"the boxes of these data are all under {SMALLEST} pixels, or there is none")
        whole.replace(out)
    return counts


def _divide(index: int, crops: Sequence[tuple[str, Any]], trained: Mapping[str, int]) -> str:
    """Return the part of an image: val only if the images before it gave train each of its classes."""
    held_out = index % _HELD_OUT == _HELD_OUT - 1 and all(name in trained for name, crop in crops if crop is not None)
    return "val" if held_out else "train"


def _folders(dataset: CocoDataset) -> dict[str, str]:
    names = dataset.metainfo["classes"]
    return {name: name.replace("/", "_").replace("\\", "_").strip(". ") or f"class {n}" for n, name in enumerate(names)}


def _crops(dataset: CocoDataset, index: int) -> Iterator[tuple[str, Any]]:
    """Yield class name and crop [h, w, 3] uint8 of each object of an image; None for one that is too small."""
    try:
        image = dataset.read(index)
    except OSError as error:
        raise UserError(f"{error}; fix or delete the image and its annotation") from error
    rows = slice(dataset.starts[index], dataset.starts[index + 1])
    for label, box in zip(dataset.labels[rows].tolist(), dataset.boxes[rows], strict=True):
        left, top, right, bottom = enlarged(box, image.shape[:2])
        large = min(right - left, bottom - top) >= SMALLEST
        yield dataset.metainfo["classes"][label], image[top:bottom, left:right] if large else None


def enlarged(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Add the margin to a box [4] xyxy, and round it to pixels of an image of (height, width)."""
    margin = MARGIN * (box[2:] - box[:2])
    low, high = np.rint(box[:2] - margin).astype(int).clip(min=0), np.rint(box[2:] + margin).astype(int)
    right, bottom = np.minimum(high, size[::-1]).tolist()
    left, top = low.tolist()
    return left, top, right, bottom
