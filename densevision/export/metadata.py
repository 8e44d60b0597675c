"""Attach a .tflite's metadata: see ``densevision.inference.metadata``."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.export.metadata_schema import (
    AXIS_LABELS,
    BOXES,
    FEATURE,
    VALUE_LABELS,
    image_input,
    output,
    pack,
)
from densevision.export.tflite_graph import read_graph, write_graph
from densevision.inference.metadata import ABOUT_FILE, LABELS_FILE, ModelInfo


def attach_metadata(content: bytes, about: ModelInfo) -> bytes:
    """Add the metadata of a .tflite; must come last, for whatever repacks the graph drops the zip."""
    model = read_graph(content)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_model_metadata(about), np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    whole = io.BytesIO(write_graph(model))
    files = {LABELS_FILE: "\n".join(about.classes) + "\n", ABOUT_FILE: json.dumps(asdict(about), indent=1) + "\n"}
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)  # the same bytes every day
    return whole.getvalue()


def _model_metadata(about: ModelInfo) -> bytes:
    # MediaPipe applies the normalization to float inputs only.
    image = image_input(127.5, 127.5, *((0, 255) if about.input_type == "uint8" else (-1, 1)))
    if about.outputs == "detections":
        outputs = [
            output("location", BOXES),
            output("category", FEATURE, (LABELS_FILE, VALUE_LABELS)),
            output("score", FEATURE),
            output("number of detections", FEATURE),
        ]
        return pack(about.task, [image], outputs, ["location", "category", "score"])
    names = {"boxes": ("boxes", "scores"), "scores": ("probability",)}.get(about.outputs, (about.outputs,))
    content = FEATURE if about.outputs == "scores" else None
    outputs = [output(name) for name in names[:-1]] + [output(names[-1], content, (LABELS_FILE, AXIS_LABELS))]
    return pack(about.task, [image], outputs, [])
