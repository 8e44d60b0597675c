"""Recognize polygons, which segmentation reads as masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from densevision.data.formats.box_exports import recognize_exports, recognize_labelme
from densevision.data.formats.box_layouts import recognize_coco, recognize_yolo
from densevision.data.formats.layout import Layout
from densevision.data.formats.polygons import load_json, read_outlines
from densevision.data.formats.readers import BOX_READERS
from densevision.errors import UserError

POLYGON_DATASET = "densevision.segmentation.polygons.PolygonDataset"
_RECOGNIZERS = (recognize_coco, recognize_yolo, recognize_labelme, recognize_exports)
_LOOKED_AT = 1000  # objects


def recognize_polygons(data: Path) -> Layout | None:
    """Recognize the formats of boxes whose objects have polygons or RLE masks."""
    layouts = (recognizer(data) for recognizer in _RECOGNIZERS)
    found = next((layout for layout in layouts if layout is not None), None)
    if found is None or not any(_has_outlines(found, part) for part in found.parts):
        return None
    notes = (*found.notes, "pixels without a polygon are the class background")
    shared = dict(found.shared)
    if "classes" in shared:
        shared["classes"] = tuple(dict.fromkeys(("background", *shared["classes"])))
    return Layout(f"{found.name}, polygons", "segmentation", POLYGON_DATASET, shared, found.parts, notes)


def _has_outlines(layout: Layout, part: str) -> bool:
    """Tell whether objects have other outlines than their boxes."""
    arguments = {**layout.shared, **layout.parts[part]}
    root = Path(arguments["data_root"])
    source = root / arguments["ann_file"]
    name = arguments.get("format", "coco")
    try:
        content = load_json(source) if name == "coco" else BOX_READERS[name].read(source, root / arguments["image_dir"])
        outlines = read_outlines(content, source)
    except UserError:
        return False
    shapes = islice((shape for image in outlines.shapes for shape in image), _LOOKED_AT)
    return any(isinstance(shape.outline, dict) or not all(map(_is_box, shape.outline)) for shape in shapes)


def _is_box(polygon: Sequence[float]) -> bool:
    """Tell whether a polygon is an upright rectangle, as tools write for a box."""
    return len(polygon) in (8, 10) and len(set(polygon[::2])) == len(set(polygon[1::2])) == 2
