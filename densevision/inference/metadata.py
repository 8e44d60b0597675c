"""The metadata of a .tflite: TFLITE_METADATA for other tools, and ``densevision.json`` for this one.

Both are in the file, the second and the labels as a zip after the graph, where MediaPipe and the Task API read it.
Source of the slots below: TFLite's metadata_schema.fbs, version 1.2.0.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from densevision.errors import UserError
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
        padded_size: (height, width) that a segmentation model pads its input to, at the bottom and on the right,
            where its labels or logits are to be upsampled to that size with the centers of the corners in place
            (align_corners), then cut to the input; None: they are to be upsampled to the input's size, every cell
            covering an equal share (half-pixel centers).
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
        with zipfile.ZipFile(path) as archive:
            return _parse(archive.read(ABOUT_FILE))
    except (zipfile.BadZipFile, AttributeError, KeyError, ValueError, TypeError, OSError, UserError):
        raise UserError(
            f"{path} is cut short or was not written by densevision export of this version; export it again"
        ) from None


def _parse(content: bytes) -> ModelInfo:
    settings: dict[str, Any] = {name: _tuples(value) for name, value in json.loads(content).items()}
    about = ModelInfo(**settings)
    task_of_outputs(about.outputs)
    if about.outputs in ("detections", "boxes"):
        PostProcess(**{one.name: about.postprocess[one.name] for one in fields(PostProcess)})
    if about.score_threshold is not None:
        check_range("score_threshold", about.score_threshold, low=0, high=1)
    if about.center_crop is not None:
        check_range("center_crop", about.center_crop, low=0, high=1, with_low=False)
    return about


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
