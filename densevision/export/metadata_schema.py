"""Pack TFLite's model metadata (file identifier M001) with plain flatbuffers.

A table is a dict from slot number to value. Slots and enumerations are those of metadata_schema.fbs 1.2.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

Table = dict[int, object]


@dataclass(frozen=True)
class Number:
    """A number stored in the table itself; kind is a method suffix of the builder: "Int8", "Uint8"."""

    kind: str
    value: int


FEATURE: Table = {0: Number("Uint8", 1), 1: {}}  # content is FeatureProperties
# Content is BoundingBoxProperties: (ymin, xmin, ymax, xmax) as left, top, right, bottom; BOUNDARIES; RATIO.
BOXES: Table = {0: Number("Uint8", 3), 1: {0: np.array([1, 0, 3, 2], np.uint32), 1: Number("Int8", 1)}}
AXIS_LABELS, VALUE_LABELS = 2, 3  # AssociatedFileType


def pack(name: str, inputs: list[Table], outputs: list[Table], group: list[str]) -> bytes:
    """Pack a model's metadata.

    Args:
        inputs: from ``image_input``.
        outputs: from ``output``.
        group: names of the outputs that belong together row by row; may be empty.
    """
    subgraph: Table = {2: inputs, 3: outputs}
    if group:
        subgraph[8] = [{0: "detection_result", 1: group}]
    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, {0: name, 2: "1", 3: [subgraph], 7: "1.2.0"}), b"M001")
    return bytes(builder.Output())


def image_input(mean: float, std: float, low: float, high: float) -> Table:
    """Describe an RGB image: a pixel p is given to the graph as (p - mean) / std, from low to high."""

    def row(value: float) -> np.ndarray:
        return np.array([value], np.float32)

    return {
        0: "image",
        3: {0: Number("Uint8", 2), 1: {0: Number("Int8", 1)}},  # ImageProperties, RGB
        4: [{0: Number("Uint8", 1), 1: {0: row(mean), 1: row(std)}}],  # NormalizationOptions
        5: {0: row(high), 1: row(low)},
    }


def output(name: str, content: Table | None = None, labels: tuple[str, int] | None = None) -> Table:
    """Describe an output.

    Args:
        content: FEATURE or BOXES.
        labels: name of the file of class names, and AXIS_LABELS or VALUE_LABELS.
    """
    table: Table = {0: name}
    if content:
        table[3] = content
    if labels:
        table[6] = [{0: labels[0], 2: Number("Int8", labels[1])}]
    return table


def _table(builder: flatbuffers.Builder, table: Table) -> int:
    offsets = {slot: _offset(builder, value) for slot, value in table.items() if not isinstance(value, Number)}
    builder.StartObject(max(table, default=-1) + 1)
    for slot, value in table.items():
        if isinstance(value, Number):
            getattr(builder, f"Prepend{value.kind}Slot")(slot, value.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return builder.EndObject()


def _offset(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, dict):
        return _table(builder, value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    offsets = [_offset(builder, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()
