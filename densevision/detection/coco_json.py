"""Read a COCO json once and normalize it: any ids, missing and malformed fields, boxes from polygons."""

from __future__ import annotations

import gc
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from densevision.detection import coco_fields as fields
from densevision.detection.coco_polygons import LEFT_OUT, polygon_box, read_without_polygons
from densevision.errors import UserError
from densevision.json_text import parse_json


@dataclass(frozen=True)
class CocoTable:
    """The N images, K categories and M boxes of a json, in flat arrays.

    Attributes:
        path: path of the json.
        image_ids: N ids as written in the json: numbers or strings.
        file_names: N paths as written in the json.
        sizes: [N, 2] int64 (height, width); 0 where neither the json nor, for ``CocoReader``, the image gives it.
        sized: [N] bool, whether the json gives the size.
        category_ids: K ids in ascending order.
        names: K category names.
        image_rows: [M] int64, index of the box's image.
        category_rows: [M] int64, index of the box's category.
        boxes: [M, 4] float64, finite; x, y, width, height in pixels once ``CocoReader`` has read them.
        areas: [M] float64, NaN where the json gives none.
        crowds: [M] bool.
        from_polygons: [M] bool, whether the box was computed from polygons or a mask.
        skipped: reason -> number of annotations without a usable box.
        annotated: whether the json has a list of annotations.
        notes: what the reader of another format says, one line each.
    """

    path: Path
    image_ids: list
    file_names: list[str]
    sizes: np.ndarray
    sized: np.ndarray
    category_ids: list
    names: list[str]
    image_rows: np.ndarray
    category_rows: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray
    from_polygons: np.ndarray
    skipped: dict[str, int]
    annotated: bool
    notes: tuple[str, ...] = ()


def read_coco(path: Path, content: dict[str, Any] | None = None) -> CocoTable:
    """Read a COCO json.

    Annotations without a box take the box of their polygons or RLE mask; those with neither are counted and skipped,
    as some labeling tools mark background images with them. Ids that differ only in quotes are equal.

    Args:
        content: of the json, if a reader of another format made it; the path is then that format's file or folder.
    Raises:
        UserError: the file is missing or is not a json in COCO's format, an id is duplicate or unknown, or a box is
            not four numbers.
    """
    collecting = gc.isenabled()
    gc.disable()  # passes over millions of new dicts free nothing and take half of the time
    try:
        return _Reading(path, content).table()
    finally:
        if collecting:
            gc.enable()


class _Reading:
    def __init__(self, path: Path, content: dict[str, Any] | None = None):
        self.path, self._notes = path, tuple((content or {}).get("notes", ()))
        self.rows = self._parse(polygons=False) if content is None else content

    def table(self) -> CocoTable:
        images = self._list("images", ("id", "file_name"))
        image_ids, names = self._ids("images", images), self._file_names(images)
        sizes = fields.image_sizes(images)
        annotated = self.rows["annotations"] is not None
        categories = self._categories(needed=bool(self.rows["annotations"]))
        boxes, from_polygons = self._boxes()
        annotations: list[dict] = self.rows["annotations"]
        kept = np.isfinite(boxes).all(axis=1)
        skipped = _count_skipped(annotations, boxes)
        if not kept.all():
            annotations = [annotation for annotation, keep in zip(annotations, kept, strict=True) if keep]
        areas = fields.to_floats([annotation.get("area") for annotation in annotations])
        image_rows = self._find(annotations, "image_id", image_ids)
        outlined = np.flatnonzero(from_polygons[kept])
        self._check_masks([annotations[row] for row in outlined], sizes[image_rows[outlined]])
        return CocoTable(
            self.path,
            image_ids,
            names,
            sizes,
            np.greater(sizes, 0).all(axis=1),
            list(categories),
            list(categories.values()),
            image_rows,
            self._find(annotations, "category_id", list(categories)),
            boxes[kept],
            np.where((areas > 0) & np.isfinite(areas), areas, np.nan),
            self._crowds(annotations),
            from_polygons[kept],
            skipped,
            annotated,
            self._notes,
        )

    def _parse(self, *, polygons: bool) -> dict:
        try:
            rows = parse_json(self.path.read_bytes() if polygons else read_without_polygons(self.path))
        except FileNotFoundError:
            raise UserError(f"annotation file {self.path} does not exist; set ann_file in the config") from None
        except (ValueError, OSError) as error:
            raise UserError(f"annotation file {self.path} is not readable json: {error}") from error
        return {"annotations": None} | rows if isinstance(rows, dict) else {"annotations": None}

    def _list(self, field: str, keys: Sequence[str]) -> list[dict]:
        rows = self.rows.get(field)
        if not isinstance(rows, list):
            raise UserError(f"annotation file {self.path} has no list {field!r}; it must be in COCO's detection format")
        for place, row in enumerate(rows if keys else ()):
            missing = [key for key in keys if not isinstance(row, dict) or key not in row]
            if missing:
                self._refuse(f"{field}[{place}] has no {missing[0]!r}")
        return rows

    def _ids(self, field: str, rows: Sequence[dict]) -> list:
        ids = [row["id"] for row in rows]
        for place, id_ in enumerate(ids):
            if not isinstance(id_, int | str) and not (isinstance(id_, float) and math.isfinite(id_)):
                self._refuse(f"{field}[{place}] has id {fields.shorten(id_)}; it must be a number or a string")
        self._refuse_duplicates(ids, f"{field} have the id")
        return ids

    def _file_names(self, images: Sequence[dict]) -> list[str]:
        names = [image["file_name"] for image in images]
        for place, name in enumerate(names):
            if not isinstance(name, str) or not name.strip():
                self._refuse(f"images[{place}] has file_name {fields.shorten(name)}; it must be the name of a file")
        self._refuse_duplicates([os.path.normpath(name) for name in names], "images have the file_name")
        return names

    def _categories(self, *, needed: bool) -> dict[Any, str]:
        """Map id -> name, by ascending id, numbers before words."""
        if not needed and not self.rows.get("categories"):
            return {}
        rows = self._list("categories", ("id", "name"))
        if not rows:
            raise UserError(f"annotation file {self.path} has no categories; it must list id and name of every class")
        ids = self._ids("categories", rows)
        for place, row in enumerate(rows):
            if not isinstance(row["name"], str | int) or not str(row["name"]).strip():
                self._refuse(f"categories[{place}] has name {fields.shorten(row['name'])}; it must be a word")
        self._refuse_duplicates([str(row["name"]).strip() for row in rows], "categories have the name")
        order = sorted(zip(ids, rows, strict=True), key=lambda pair: fields.sort_key(pair[0]))
        return {id_: str(row["name"]) for id_, row in order}

    def _boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return [A, 4] boxes, NaN where an annotation has none, and [A] bool, whether they are from polygons."""
        if self.rows["annotations"] is None:
            self.rows["annotations"] = []
        annotations = self._list("annotations", ())
        self._check_annotations(annotations)
        boxes = fields.plain_boxes([annotation.get("bbox") for annotation in annotations])
        if boxes is not None:
            return boxes, np.zeros(len(boxes), bool)
        found = [self._box(annotation) for annotation in annotations]
        absent = [row for row, box in enumerate(found) if box is None]
        if any(annotations[row].get("segmentation") == LEFT_OUT for row in absent):
            self.rows = self._parse(polygons=True)
        outlined = np.zeros(len(found), bool)
        for row in absent:
            box = polygon_box(self.rows["annotations"][row].get("segmentation"))
            found[row], outlined[row] = box or [math.nan] * 4, box is not None
        return np.array(found, np.float64).reshape(-1, 4), outlined

    def _check_masks(self, annotations: Sequence[dict], sizes: np.ndarray) -> None:
        """Raise an error if a run-length mask does not have the size of its image."""
        for annotation, size in zip(annotations, sizes.tolist(), strict=True):
            outline = annotation["segmentation"]
            if isinstance(outline, dict) and min(size) > 0 and outline["size"] != size:
                self._refuse(
                    f"{fields.describe(annotation)} has a mask of [height, width] {outline['size']}, and its image is "
                    f"{size}; give it a bbox, or write the mask for its image"
                )

    def _check_annotations(self, annotations: Sequence[Any]) -> None:
        for place, annotation in enumerate(annotations):
            if not isinstance(annotation, dict):
                self._refuse(f"annotations[{place}] is {fields.shorten(annotation)}; it must be an object with a bbox")
        ids = [id_ for annotation in annotations if (id_ := annotation.get("id")) is not None]
        try:
            self._refuse_duplicates(ids, "annotations have the id")
        except TypeError:
            self._refuse("an annotation's id is a list or an object; it must be a number or a string")

    def _box(self, annotation: dict) -> list[float] | None:
        box = annotation.get("bbox")
        if not box or isinstance(box, list) and all(value in (None, "") for value in box):
            return None
        values = fields.parse_box(box)
        if values is None:
            name = fields.describe(annotation)
            self._refuse(f"{name} has bbox {fields.shorten(box)}; it must be four numbers x, y, width, height")
        return values

    def _find(self, annotations: Sequence[dict], key: str, ids: Sequence[Any]) -> np.ndarray:
        """Return the position in ``ids`` of each annotation's ``key``; raise an error if one is not among them."""
        given = [annotation.get(key) for annotation in annotations]
        row_of = {id_: row for row, id_ in enumerate(ids)}
        try:
            return np.fromiter(map(row_of.__getitem__, given), np.int64, len(given))
        except (KeyError, TypeError):
            pass
        for annotation, id_ in zip(annotations, given, strict=True):
            if isinstance(id_, list | dict):
                name, value = fields.describe(annotation), fields.shorten(id_)
                self._refuse(f"{name} has {key} {value}; it must be a number or a string")
        rows = np.array([row_of.get(id_, -1) for id_ in given], np.int64)
        row_of_plain = {fields.to_plain_id(id_): row for row, id_ in enumerate(ids)}
        if len(row_of_plain) == len(ids):
            for row in np.flatnonzero(rows < 0):
                rows[row] = row_of_plain.get(fields.to_plain_id(given[row]), -1)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            self._refuse_unknown(key, [given[n] for n in unknown], annotations[unknown[0]], ids)
        return rows

    def _refuse_unknown(self, key: str, unknown: list, first: dict, ids: Sequence[Any]) -> NoReturn:
        if unknown[0] is None:
            self._refuse(f"{fields.describe(first)} has no {key!r}")
        if key == "image_id":
            more = f" ({len(unknown)} annotations of unknown images)" if len(unknown) > 1 else ""
            self._refuse(f"{fields.describe(first)} has image_id {unknown[0]}, which is not in its images{more}")
        counts = sorted(Counter(unknown).items(), key=lambda pair: fields.sort_key(pair[0]))
        listed = ", ".join(f"{id_!r} ({count} boxes)" for id_, count in counts[:5])
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        known = ", ".join(map(repr, ids[:5])) + (f", ... {ids[-1]!r}" if len(ids) > 5 else "")
        shifted = counts[0][0] in (0, "0") and fields.to_plain_id(ids[0]) == 1
        hint = "; do the annotations count the categories from 0, and the list from 1?" if shifted else ""
        self._refuse(f"no category has the category_id {listed}{more}; the categories are {known}{hint}")

    def _crowds(self, annotations: Sequence[dict]) -> np.ndarray:
        values = [annotation.get("iscrowd", 0) for annotation in annotations]
        known = dict.fromkeys((0, None, "", "0", "false", "False"), False)
        known |= dict.fromkeys((1, "1", "true", "True"), True)
        try:
            return np.array(list(map(known.__getitem__, values)), bool)
        except (KeyError, TypeError):
            flags = [False if value != value else fields.to_float(value) for value in values]
            for annotation, flag, value in zip(annotations, flags, values, strict=True):
                if flag not in (0, 1):
                    name = fields.describe(annotation)
                    self._refuse(f"{name} has iscrowd {fields.shorten(value)}; it must be 0 or 1")
            return np.array(flags, bool)

    def _refuse_duplicates(self, values: Sequence[Any], what: str) -> None:
        if len(set(values)) < len(values):
            value, count = next((v, c) for v, c in Counter(values).items() if c > 1)
            self._refuse(f"{count} {what} {fields.shorten(value)}; each must occur once")

    def _refuse(self, fault: str) -> NoReturn:
        raise UserError(f"annotation file {self.path}: {fault}")


def _count_skipped(annotations: Sequence[dict], boxes: np.ndarray) -> dict[str, int]:
    """Count the annotations whose box [A, 4] is not finite, by reason."""
    absent, finite = np.isnan(boxes).all(axis=1), np.isfinite(boxes).all(axis=1)
    broken = sum(bool(annotations[row].get("segmentation")) for row in np.flatnonzero(absent))
    skipped = {
        "without a box": int(absent.sum()) - broken,
        "whose outline is empty or malformed": broken,
        "with infinite or missing numbers": int((~finite & ~absent).sum()),
    }
    return {reason: count for reason, count in skipped.items() if count}
