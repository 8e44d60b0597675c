"""Write detection data sets as COCO json files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densevision.data.threads import read_files
from densevision.detection.coco import CocoDataset
from densevision.detection.coco_reader import CocoReader
from densevision.errors import UserError


def write_coco(parts: Mapping[str, CocoDataset], out: Path, *, copy_images: bool = False) -> dict[str, dict[str, str]]:
    """Write ``annotations/<part>.json``, with boxes as the data sets read them, and on request the images.

    The folder is whole or not there. Categories are numbered from 1, in the order of the classes of the first part.

    Args:
        parts: name of a part -> its data set.
        out: a new or empty folder.
        copy_images: copy the images to ``<part>/``; otherwise they stay where they are.
    Returns:
        Per part, ``ann_file`` relative to ``out`` and ``image_dir``, the absolute folder of its images.
    Raises:
        UserError: the folder has content, or an image can't be copied.
        OSError: a file can't be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose another one")
    classes = list(dict.fromkeys(name for dataset in parts.values() for name in dataset.metainfo["classes"]))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        whole = Path(temporary) / out.name
        (whole / "annotations").mkdir(parents=True)
        for part, dataset in parts.items():
            content = json.dumps(coco_content(dataset, classes), ensure_ascii=False)
            (whole / "annotations" / f"{part}.json").write_text(content, encoding="utf-8")
            if copy_images:
                _copy(dataset, whole / part)
        whole.replace(out)
    folders = {part: out / part if copy_images else dataset.image_dir for part, dataset in parts.items()}
    return {
        part: dict(ann_file=f"annotations/{part}.json", image_dir=str(folder.resolve()))
        for part, folder in folders.items()
    }


def coco_content(dataset: CocoDataset, classes: Sequence[str]) -> dict[str, Any]:
    """Return the content of a COCO json: x, y, width, height in pixels, and no polygons.

    Args:
        classes: names of the categories 1, 2, ...
    """
    table = CocoReader(**dataset.metainfo["reader"]).read()
    names, ids = dataset.metainfo["classes"], dataset.metainfo["category_ids"]
    number_of = {id_: classes.index(name) + 1 for name, id_ in zip(names, ids, strict=True)}
    images = []
    for row, name in enumerate(dataset.file_names.tolist()):
        height, width = table.sizes[row].tolist()
        images.append(dict(id=row + 1, file_name=name) | (dict(width=width, height=height) if height and width else {}))
    annotations: list[dict[str, Any]] = []
    for row in np.argsort(table.image_rows, kind="stable").tolist():
        category = number_of.get(table.category_ids[table.category_rows[row]])
        if category is not None:
            box = [round(value, 3) for value in table.boxes[row].tolist()]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=int(table.image_rows[row]) + 1,
                    category_id=category,
                    bbox=box,
                    area=round(float(table.areas[row]), 3),
                    iscrowd=int(table.crowds[row]),
                )
            )
    categories = [dict(id=number, name=name) for number, name in enumerate(classes, 1)]
    return dict(images=images, categories=categories, annotations=annotations)


def _copy(dataset: CocoDataset, folder: Path) -> None:
    def copy(name: str) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(dataset.image_dir / name, target)
        except OSError as error:
            raise UserError(f"{dataset.image_dir / name} can't be copied ({error.strerror})") from error

    read_files(copy, dataset.file_names.tolist())
