"""Recognize folders of images with polygons, as data of a segmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from densevision.data.formats.layout import Layout
from densevision.data.formats.polygons import Outlines, load_json, read_outlines
from densevision.data.formats.readers import BOX_READERS
from densevision.errors import UserError

POLYGON_DATASET = "densevision.segmentation.polygons.PolygonDataset"


def polygon_layout(boxes: Layout) -> Layout | None:
    """Return the segmentation layout of data that are read as boxes too; None if they have no polygons.

    Args:
        boxes: the layout of the detection data set.
    """
    arguments = {**boxes.shared, **next(iter(boxes.parts.values()))}
    root = Path(arguments["data_root"])
    source = root / arguments["ann_file"]
    name = arguments.get("format", "coco")
    try:
        content = load_json(source) if name == "coco" else BOX_READERS[name].read(source, root / arguments["image_dir"])
        outlines = read_outlines(content, source)
    except UserError:
        return None
    if not _has_polygons(outlines):
        return None
    notes = ("pixels without a polygon are the class background",)
    return Layout(f"{boxes.name} polygons", "segmentation", POLYGON_DATASET, boxes.shared, boxes.parts, notes)


def _has_polygons(outlines: Outlines) -> bool:
    shapes = islice((shape for image in outlines.shapes for shape in image), 1000)
    return any(isinstance(s.outline, dict) or not all(map(_is_box, s.outline)) for s in shapes)


def _is_box(polygon: Sequence[float]) -> bool:
    """Tell whether a polygon is an upright rectangle, as tools write for a box."""
    return len(polygon) in (8, 10) and len(set(polygon[::2])) == len(set(polygon[1::2])) == 2


def recognize_polygons(data: Path, box_formats: Sequence[Callable[[Path], Layout | None]]) -> Layout | None:
    """Recognize polygons in the formats of boxes."""
    for recognizer in box_formats:
        if (layout := recognizer(data)) is not None:
            return polygon_layout(layout)
    return None
