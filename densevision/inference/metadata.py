"""The metadata of a .tflite: TFLITE_METADATA for other tools, and ``densevision.json`` for this one.

Both are in the file, the second and the labels as a zip after the graph, where MediaPipe and the Task API read it.
Source of the slots below: TFLite's metadata_schema.fbs, version 1.2.0.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from densevision.errors import UserError
from densevision.json_text import parse_json
from densevision.structures import PostProcess, check_range
from densevision.task import task_of_outputs

ABOUT_FILE, LABELS_FILE = "densevision.json", "labels.txt"


@dataclass(frozen=True)
class ModelInfo:
    """What is needed to run a file, and where the file comes from.

    Attributes:
        outputs: "detections" (the four of the detection op), "boxes" (decoded boxes and scores), "labels"
            (a label map), "logits", or "scores" (of the classes of the whole image).
        classes: K names.
        size: (height, width) of the input in pixels.
        input_type: of the pixels; float32 runs from -1 to 1.
        quantize: type of weights and, with int8, of activations.
        palette: RGB of each class; empty for detectors.
        postprocess: a detector's ``PostProcess``: with "detections" that of the file itself, with "boxes" what the
            model was trained for; ``nms`` is the kind of NMS, per class or across classes.
        origin: config text, versions, hash of the weights.
        padded_size: (height, width) that the labels or logits of a segmentation model cover, which is more than the
            input at the bottom and on the right: they are to be upsampled to that size, then cut to the input; None:
            they are to be upsampled to the input's size, every cell covering an equal share (half-pixel centers).
        align_corners: upsample to ``padded_size`` with the centers of the corners in place; False: with half-pixel
            centers.
        center_crop: of a classifier, share of the shorter side that is kept in front of it; None takes the whole image.
        score_threshold: of a detector, where F1 was best on the val data: what to show; None if unknown. The file may
            report lower scores, see ``postprocess``.
    """

    outputs: str
    classes: tuple[str, ...]
    size: tuple[int, int]
    input_type: Literal["uint8", "float32"]
    quantize: Literal["none", "float16", "int8"]
    palette: tuple[tuple[int, int, int], ...] = ()
    postprocess: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, object] = field(default_factory=dict)
    padded_size: tuple[int, int] | None = None
    align_corners: bool = True
    score_threshold: float | None = None
    center_crop: float | None = None

    @property
    def task(self) -> str:
        """Name of the task, a key of ``densevision.task.TASKS``."""
        return task_of_outputs(self.outputs).name


def read_model_info(path: str | Path) -> ModelInfo:
    """Read a file's metadata; needs no runtime.

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
        return _parse(_read_member(path))
    except _FAULTS as error:
        fault = f" ({str(error)[:200]})" if isinstance(error, UserError) else ""
        raise UserError(
            f"{path} is cut short or was not written by densevision export of this version; export it again{fault}"
        ) from None


_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, UserError, AttributeError, KeyError, ValueError, TypeError),
    *(OSError, EOFError, NotImplementedError, RuntimeError, OverflowError),
)
_MOST_BYTES = 16 * 2**20  # of the metadata


def _read_member(path: Path) -> bytes:
    """Read the metadata, which are stored as they are; never more than a bound, whatever the file says."""
    with zipfile.ZipFile(path) as archive, archive.open(ABOUT_FILE) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise UserError("its metadata are too large")
    return content


def _parse(content: bytes) -> ModelInfo:
    settings: dict[str, Any] = {name: _tuples(value) for name, value in parse_json(content).items()}
    about = ModelInfo(**settings)
    task_of_outputs(about.outputs)
    _check(about)
    if about.outputs in ("detections", "boxes"):
        if set(about.postprocess) != {one.name for one in fields(PostProcess)}:
            raise UserError("postprocess has other keys")
        PostProcess(**about.postprocess)
    if about.score_threshold is not None:
        check_range("score_threshold", about.score_threshold, low=0, high=1)
    if about.center_crop is not None:
        check_range("center_crop", about.center_crop, low=0, high=1, with_low=False)
    return about


def _check(about: ModelInfo) -> None:
    """Check the types and ranges of what json may spell in any way.

    Raises:
        UserError: names the entry.
    """
    names = about.classes
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"classes is {names!r:.60}")
    for entry, sides in (("size", about.size), ("padded_size", about.padded_size)):
        if sides is None and entry == "padded_size":
            continue
        if not isinstance(sides, tuple) or len(sides) != 2 or not all(_is_whole(side, 1, 2**15) for side in sides):
            raise UserError(f"{entry} is {sides!r:.60}")
    if about.padded_size is not None and any(p < s for p, s in zip(about.padded_size, about.size, strict=True)):
        raise UserError(f"padded_size is {about.padded_size}, smaller than size {about.size}")
    if not isinstance(about.align_corners, bool):
        raise UserError(f"align_corners is {about.align_corners!r:.60}")
    if about.input_type not in ("uint8", "float32") or about.quantize not in ("none", "float16", "int8"):
        raise UserError(f"input_type is {about.input_type!r:.60}, quantize {about.quantize!r:.60}")
    if not isinstance(about.palette, tuple) or len(about.palette) not in (0, len(names)):
        raise UserError("the palette has another number of colors than there are classes")
    for color in about.palette:
        if not isinstance(color, tuple) or len(color) != 3 or not all(_is_whole(value, 0, 255) for value in color):
            raise UserError(f"the palette has the color {color!r:.60}")
    if not isinstance(about.postprocess, dict) or not isinstance(about.origin, dict):
        raise UserError("postprocess or origin is no object")


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
