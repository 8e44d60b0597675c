"""What a .tflite says about itself: TFLITE_METADATA for other tools, and ``densevision.json`` for this one.

Both lie in the file, the second and the labels as a zip behind the graph, as MediaPipe and the Task API read it.
Source of the slots below: TFLite's metadata_schema.fbs, version 1.2.0.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from densevision.errors import UserError
from densevision.structures import PostProcess

Outputs = Literal["detections", "boxes", "labels", "logits"]
ABOUT_FILE, LABELS_FILE = "densevision.json", "labels.txt"


@dataclass(frozen=True)
class About:
    """What running a file needs to know, and where the file comes from.

    Attributes:
        outputs: "detections" (the four of the detection op), "boxes" (decoded boxes and scores), "labels"
            (a label map) or "logits".
        classes: K names.
        size: (height, width) of the input in pixels.
        input_type: of the pixels; float32 runs from -1 to 1.
        quantize: of weights and activations.
        palette: RGB of each class; empty for detectors.
        postprocess: a detector's ``PostProcess``: with "detections" what the file itself does, with "boxes" what the
            model was trained for; ``nms`` says whether overlaps are suppressed per class or across classes.
        origin: config text, versions, hash of the weights.
        padded_size: (height, width) that a segmenter pads its input to, at the bottom and on the right, where its
            labels or logits are to be enlarged to that size with the centers of the corners in place
            (align_corners), then cut to the input; None: they are to be enlarged to the input's size, every cell
            covering an equal share (half-pixel centers).
    """

    outputs: Outputs
    classes: tuple[str, ...]
    size: tuple[int, int]
    input_type: Literal["uint8", "float32"]
    quantize: Literal["none", "float16", "int8"]
    palette: tuple[tuple[int, int, int], ...] = ()
    postprocess: dict[str, float | bool | str] = field(default_factory=dict)
    origin: dict[str, object] = field(default_factory=dict)
    padded_size: tuple[int, int] | None = None

    @property
    def task(self) -> str:
        """ "detection" or "segmentation"."""
        return "detection" if self.outputs in ("detections", "boxes") else "segmentation"


def read_about(path: str | Path) -> About:
    """Read what a file says about itself; needs no runtime.

    Raises:
        UserError: no such file, no .tflite, a cut one, or one that this version of ``densevision export`` did not
            write.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no model file {path}")
    with open(path, "rb") as file:
        if file.read(8)[4:] != b"TFL3":
            raise UserError(f"{path} is no .tflite file; densevision export writes one from a checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            return _parse(archive.read(ABOUT_FILE))
    except (zipfile.BadZipFile, AttributeError, KeyError, ValueError, TypeError, OSError, UserError):
        raise UserError(f"{path} is cut short or was not written by densevision export of this version; export it "
                        "again") from None


def _parse(content: bytes) -> About:
    about = About(**{name: _tuples(value) for name, value in json.loads(content).items()})
    if about.outputs not in get_args(Outputs):
        raise ValueError(about.outputs)
    if about.task == "detection":
        PostProcess(**{one.name: about.postprocess[one.name] for one in fields(PostProcess)})
    return about


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def attach_metadata(content: bytes, about: About) -> bytes:
    """Add the metadata of a .tflite; must come last, for whatever repacks the graph drops the zip."""
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    from densevision.deploy.flatbuffer import read_graph, write_graph

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
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)  # the same bytes on every day
    return whole.getvalue()


def _model_metadata(about: About) -> bytes:
    from densevision.deploy.metadata_schema import (
        AXIS_LABELS,
        BOXES,
        FEATURE,
        VALUE_LABELS,
        image_input,
        output,
        pack,
    )

    # MediaPipe applies the normalisation to float inputs only.
    image = image_input(127.5, 127.5, *((0, 255) if about.input_type == "uint8" else (-1, 1)))
    if about.outputs == "detections":
        outputs = [output("location", BOXES), output("category", FEATURE, (LABELS_FILE, VALUE_LABELS)),
                   output("score", FEATURE), output("number of detections", FEATURE)]
        return pack(about.task, [image], outputs, ["location", "category", "score"])
    names = {"boxes": ("boxes", "scores")}.get(about.outputs, (about.outputs,))
    outputs = [output(name) for name in names[:-1]] + [output(names[-1], None, (LABELS_FILE, AXIS_LABELS))]
    return pack(about.task, [image], outputs, [])
