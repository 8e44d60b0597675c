"""Read annotations for the data set and the metric: boxes in pixels, crowds as configured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from densevision.data.files import find_files
from densevision.data.formats.readers import BOX_READERS
from densevision.data.image_list import select_images
from densevision.data.sizes import EXIF, size_as_read
from densevision.detection.coco_boxes import BOX_FORMATS, LAYOUTS, suspect_format, to_xywh
from densevision.detection.coco_json import CocoTable, read_coco
from densevision.errors import UserError
from densevision.images import read_header

CROWDS = ("ignore", "objects")


@dataclasses.dataclass(frozen=True)
class CocoReader:
    """The options for reading annotations; plain values, so that a data set can pass them to the metric.

    Args:
        path: path of the json, or of another format's file or folder.
        image_dir: folder of its images.
        box_format: one of ``BOX_FORMATS``; None is COCO's "xywh", with an error if the boxes look like another one.
        crowds: "ignore" keeps COCO's meaning of ``iscrowd``; "objects" reads crowds as single objects.
        exif: "apply" or "ignore" the rotation of the EXIF tag, where the size is read from the image file.
        format: "coco" or one of ``BOX_READERS``.
        image_list: path of a text file that names the images in use; None uses all.
    Raises:
        UserError: an option has none of these values.
    """

    path: str
    image_dir: str
    box_format: str | None = None
    crowds: str = "ignore"
    exif: str = "apply"
    format: str = "coco"
    image_list: str | None = None

    def __post_init__(self) -> None:
        formats = ("coco", *BOX_READERS)
        known_values = dict(box_format=(None, *BOX_FORMATS), crowds=CROWDS, exif=EXIF, format=formats)
        for name, known in known_values.items():
            if getattr(self, name) not in known:
                raise UserError(
                    f"{name}={getattr(self, name)!r} in the config; it must be one of {', '.join(map(str, known))}"
                )

    def read(self) -> CocoTable:
        """Read the json; missing sizes are read from the images, 0 where those can't be read.

        Raises:
            UserError: as for ``read_coco``, or the boxes are not in the ``box_format``.
        """
        table = self._table()
        sizes = self._sizes(table)
        box_sizes = sizes[table.image_rows]
        own = BOX_READERS[self.format].boxes if self.format in BOX_READERS else "xywh"
        if self.box_format is None and self.format == "coco":
            self._check_format(table, box_sizes)
        boxes = to_xywh(table.boxes, self.box_format or own, box_sizes)
        boxes[table.from_polygons] = table.boxes[table.from_polygons]
        areas = table.areas if self.box_format in (None, "xywh") else np.full(len(boxes), np.nan)
        areas = np.where(np.isnan(areas), boxes[:, 2] * boxes[:, 3], areas)
        crowds = table.crowds if self.crowds == "ignore" else np.zeros(len(boxes), bool)
        table = dataclasses.replace(table, sizes=sizes, boxes=boxes, areas=areas, crowds=crowds)
        negative: np.ndarray = np.any(boxes[:, 2:] < 0, axis=1)
        if self.box_format is not None and 2 * negative.sum() > len(boxes):
            raise UserError(
                f"{self.path}: {negative.sum():,} of {len(boxes):,} boxes have a negative size when read "
                f"with box_format={self.box_format!r}; remove it from the data set of the config, or correct it"
            )
        return _without(table, negative, "of negative size")

    def _table(self) -> CocoTable:
        path = Path(self.path)
        reader = BOX_READERS.get(self.format)
        table = read_coco(path, None if reader is None else reader.read(path, Path(self.image_dir)))
        if self.image_list is None:
            return table
        return _only(table, select_images(table.file_names, Path(self.image_list), path))

    def _sizes(self, table: CocoTable) -> np.ndarray:
        unknown = np.flatnonzero(~table.sized)
        if not len(unknown):
            return table.sizes
        sizes = table.sizes.copy()
        found, _ = find_files(Path(self.image_dir), table.file_names, Path(self.path))
        for row in unknown:
            try:
                sizes[row] = size_as_read(read_header(Path(self.image_dir, found[row])), self.exif)
            except OSError:
                sizes[row] = 0  # reported when the image is read
        return sizes

    def _check_format(self, table: CocoTable, sizes: np.ndarray) -> None:
        own = ~table.from_polygons
        suspect = suspect_format(table.boxes[own], sizes[own])
        if suspect is None:
            return
        box_format, evidence = suspect
        unit, _, own_layout = box_format.rpartition("_")
        others = [f"{unit}_{layout}" for layout in LAYOUTS if unit and layout != own_layout]
        other = f" ({' or '.join(others)} for another order)" if others else ""
        raise UserError(
            f"{self.path}: {evidence}; COCO's boxes are x, y, width, height in pixels. Set "
            f"box_format={box_format!r}{other} in the data set of the config, or "
            "box_format='xywh' if they are correct"
        )


def _only(table: CocoTable, rows: list[int]) -> CocoTable:
    """Return the table of some of its images, in the order of ``rows``."""
    place = np.full(len(table.image_ids), -1)
    place[rows] = np.arange(len(rows))
    kept = place[table.image_rows] >= 0
    per_box = ("category_rows", "boxes", "areas", "crowds", "from_polygons")
    return dataclasses.replace(
        table,
        image_ids=[table.image_ids[row] for row in rows],
        file_names=[table.file_names[row] for row in rows],
        sizes=table.sizes[rows],
        sized=table.sized[rows],
        image_rows=place[table.image_rows][kept],
        **{name: getattr(table, name)[kept] for name in per_box},
    )


def _without(table: CocoTable, wrong: np.ndarray, reason: str) -> CocoTable:
    if not wrong.any():
        return table
    fields = ("image_rows", "category_rows", "boxes", "areas", "crowds", "from_polygons")
    skipped = {**table.skipped, reason: int(wrong.sum())}
    return dataclasses.replace(table, skipped=skipped, **{name: getattr(table, name)[~wrong] for name in fields})
