"""Formats with a plain table of boxes: CreateML's json and TensorFlow's csv, as Roboflow exports them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from densevision.data.formats.content import (
    CocoContent,
    image_names,
    load_json_text,
    number,
    one_class_name,
    read_text,
    rows_of,
    stated_size,
)
from densevision.errors import UserError

CSV_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")


def read_createml(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read CreateML's json: boxes as center x, center y, width, height in pixels.

    Raises:
        UserError: the file is missing or malformed.
    """
    rows = load_json_text(path)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise UserError(f"{path} is no list of images; export it again as CreateML")
    content = CocoContent()
    for place, row in enumerate(rows):
        name = row.get("image") or row.get("imagefilename")
        if not isinstance(name, str):
            raise UserError(f"{path}: entry {place} has no image; export it again as CreateML")
        image = content.add_image(name)
        for annotation in rows_of(row.get("annotations"), "annotations", f"{path}: {name}"):
            box = annotation.get("coordinates") if isinstance(annotation, Mapping) else None
            if not isinstance(box, Mapping):
                raise UserError(f"{path}: an annotation of {name} has no coordinates; export it again as CreateML")
            source = f"{path}: {name}"
            values = [number(box.get(key), key, source) for key in ("x", "y", "width", "height")]
            content.add(image, one_class_name(annotation.get("label"), source), values)
    return content.with_sorted_classes()


def read_csv(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read a csv with the columns ``CSV_COLUMNS``: x1, y1, x2, y2 in pixels. Images without a row have no objects.

    Raises:
        UserError: the file is missing or malformed.
    """
    table = csv.DictReader(io.StringIO(read_text(path)), skipinitialspace=True)
    lacking = [name for name in CSV_COLUMNS if name not in (table.fieldnames or ())]
    if lacking:
        raise UserError(f"{path} has no column {lacking[0]!r}; its first line must be {','.join(CSV_COLUMNS)}")
    content, numbers = CocoContent(), dict[str, int]()
    for row in table:
        source, name = f"{path}, line {table.line_num}", (row["filename"] or "").strip()
        if not name:
            raise UserError(f"{source}: no filename; correct the line")
        if name not in numbers:
            numbers[name] = content.add_image(name, stated_size(row["height"], row["width"]))
        box = [number(row[key], key, source) for key in CSV_COLUMNS[4:]]
        content.add(numbers[name], one_class_name(row["class"], source), box)
    listed = {re.split(r"[/\\\\]", name)[-1].lower() for name in numbers}
    unlisted = [name for name in image_names(image_dir) if name.rpartition("/")[2].lower() not in listed]
    for name in unlisted:
        content.add_image(name)
    if unlisted:
        content.notes.append(f"images without a row, which count as images without objects: {len(unlisted):,}")
    return content.with_sorted_classes()
