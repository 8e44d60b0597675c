"""Recognize polygons, which segmentation reads as masks."""

from __future__ import annotations

import re
from pathlib import Path

from densevision.data.formats.box_exports import recognize_exports, recognize_labelme
from densevision.data.formats.box_layouts import recognize_coco
from densevision.data.formats.layout import Layout
from densevision.data.formats.readers import BOX_READERS

POLYGON_DATASET = "densevision.segmentation.polygons.PolygonDataset"
_OUTLINE = re.compile(rb'"segmentation"\s*:\s*(\[\s*\[|\[\s*[\d-]|\{)')


def recognize_polygons(data: Path) -> Layout | None:
    """Recognize the formats of boxes whose objects have polygons or RLE masks."""
    layouts = (recognizer(data) for recognizer in (recognize_coco, recognize_labelme, recognize_exports))
    found = next((layout for layout in layouts if layout is not None), None)
    if found is None or not any(_has_outlines(found, part) for part in found.parts):
        return None
    return Layout(f"{found.name}, polygons", "segmentation", POLYGON_DATASET, found.shared, found.parts, found.notes)


def _has_outlines(layout: Layout, part: str) -> bool:
    arguments = {**layout.shared, **layout.parts[part]}
    root = Path(arguments["data_root"])
    if "format" not in arguments:
        return _OUTLINE.search((root / arguments["ann_file"]).read_bytes()) is not None
    content = BOX_READERS[arguments["format"]].read(root / arguments["ann_file"], root / arguments["image_dir"])
    return any(annotation.get("segmentation") for annotation in content["annotations"])
