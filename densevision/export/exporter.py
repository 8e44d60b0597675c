"""What an export needs to know of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.errors import UserError
from densevision.export.graph import InputType, is_plain
from densevision.inference.metadata import ModelInfo
from densevision.inference.predictor import Predictor
from densevision.structures import Nms
from densevision.task import TASKS, resolve

if TYPE_CHECKING:
    from densevision.config.load import Config


_CHOICES: dict[str, tuple[object, ...]] = {
    "quantize": ("none", "float16", "int8"),
    "input_type": ("uint8", "float32"),
    "postprocess": ("nms", "none"),
    "nms": ("across-classes", "per-class"),
    "labels": ("argmax", "logits"),
    "upsample": (1, 2, None),
    "activation_ranges": ("moving-average", "min-max"),
    "weight_ranges": ("min-max", "octav", "mse"),
    "search": (True, False),
}


def _is_size(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(side, int) for side in value)


@dataclass(frozen=True)
class ExportOptions:
    """What kind of file to write.

    Attributes:
        size: (height, width) of the input, of a model without an ``input_size`` of its own.
        quantize: float32 ("none"), float16 weights, or full-integer int8.
        input_type: pixels as uint8, or as float32 from -1 to 1.
        postprocess: end a detector in ``TFLite_Detection_PostProcess``, or in boxes and scores.
        nms: how that op treats overlaps.
        labels: end a segmentation model in a label map, or in logits.
        upsample: factor of the segmentation logits' upsampling; None makes them as large as the image.
        float_parts: keys of ``quantize.FLOAT_PARTS`` that an int8 file keeps in float.
        activation_ranges, weight_ranges: of an int8 file, see ``quantize.Ranges``.
        search: try ranges of int8, and further float parts, and keep what is best on the val data; see
            ``search.search``.
    Raises:
        UserError: a value is none of these.
    """

    size: tuple[int, int] | None = None
    quantize: Literal["none", "float16", "int8"] = "none"
    input_type: InputType = "uint8"
    postprocess: Literal["nms", "none"] = "nms"
    nms: Nms = "across-classes"
    labels: Literal["argmax", "logits"] = "argmax"
    upsample: int | None = 1
    float_parts: tuple[str, ...] = ()
    activation_ranges: str = "moving-average"
    weight_ranges: str = "min-max"
    search: bool = False

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise UserError(f"{name} is {value!r}; give {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")
        if self.size is not None and not _is_size(self.size):
            raise UserError(f"size is {self.size!r}; give (height, width) in pixels")
        if not isinstance(self.float_parts, tuple | list):
            raise UserError(f"float_parts is {self.float_parts!r}; give a tuple of names, ('se',)")

    def graph_input(self, model: Any) -> InputType:
        """Return the type of the pixels that the converted graph takes."""
        if self.quantize == "int8" and is_plain(model.data_preprocessor):
            return "float32"  # the quantizer turns them into uint8, and no float operator is left at the start
        return self.input_type


@dataclass(frozen=True)
class Parity:
    """How far a file is from the PyTorch model over some images; None where the file has no such output.

    Attributes:
        images: number of images.
        boxes: largest difference of box sides, in fractions of the image, over all anchors.
        scores: largest difference of scores in 0..1, over all anchors.
        mean_scores: mean difference of the scores of the worst image.
        shift: of a classifier, how much of the scores moves to other classes, 0..1, on average over the images.
        rows: share of the detections that the file's detection op and ``SSDLite``, which is given the same boxes,
            scores and kind of NMS, agree on, except for equal scores at the end of a full list; 1 where both find
            nothing.
        detections: number of those that ``SSDLite`` finds.
        labels: share of the pixels with the same label, of the worst image.
    """

    images: int
    boxes: float | None = None
    scores: float | None = None
    mean_scores: float | None = None
    shift: float | None = None
    rows: float | None = None
    detections: int | None = None
    labels: float | None = None

    def measured(self) -> dict[str, float]:
        """Return the measured figures by name."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}

    def summary(self) -> str:
        """Return the figures for people, in a line."""
        found = []
        if self.boxes is not None:
            found.append(f"largest error of boxes {self.boxes:.2g} (of the image's side)")
        if self.scores is not None:
            found.append(f"{'' if found else 'largest error '}of scores {self.scores:.2g}")
        if self.shift is not None:
            found.append(f"{self.shift:.2%} of them move to other classes")
        if self.labels is not None:
            found.append(f"{self.labels:.3%} of the labels agree")
        if self.detections:
            found.append(f"{self.rows:.2%} of {self.detections} detections agree")
        elif self.detections == 0:
            found.append("the model finds nothing there, so that the detection op is not checked")
        return ", ".join(found)


class Exporter(Protocol):
    """A task's model with the options of an export, made by ``make_exporter(model, options)``.

    Attributes:
        size: (height, width) of the file's input.
        graph: what is converted: an ``nn.Module`` from pixels [1, H, W, 3] to a tuple of outputs, with the attributes
            ``pixels``, a ``Pixels``, and ``model``, whose method ``parts()`` may name what an int8 file can leave in
            float: part -> modules.
    """

    size: tuple[int, int]
    graph: Any

    def __init__(self, model: Any, options: ExportOptions) -> None: ...

    def check_graph(self, image: np.ndarray) -> None:
        """Check in PyTorch, before the conversion, that the graph computes what the model does, except for rounding.

        Args:
            image: [H, W, 3] uint8 RGB of the input's size.
        Raises:
            UserError: it does not: the model has parts that the export does not support.
        """
        ...

    def finish(self, converted: schema.ModelT) -> None:
        """Name a converted graph's outputs; append what PyTorch has no operator for."""
        ...

    def outputs_info(self, data: dict) -> dict[str, Any]:
        """Return the fields of ``ModelInfo`` that are about the outputs: ``outputs`` and what its readers need.

        Args:
            data: facts about the training data, such as ``palette``; may be empty.
        """
        ...

    def layout(self, path: Path, info: ModelInfo) -> dict[str, tuple[object, object]]:
        """Return what to compare of a written file's outputs: name -> what it is, what it should be."""
        ...

    def measure_parity(self, path: Path, images: Sequence[np.ndarray]) -> Parity:
        """Run a file and the model, through its own preprocessor and predict mode, on images of the input's size."""
        ...

    def reference(self, info: dict, config: Config) -> Predictor:
        """Return the model as ``densevision test`` runs it.

        Args:
            info: ``classes`` and more, of the checkpoint's data.
        """
        ...

    def counterpart(self, info: dict, config: Config, *, resized: bool) -> Predictor:
        """Return the PyTorch model to compare the file's metric with.

        Args:
            resized: ``options.size`` is the user's choice, not the images' own size.
        """
        ...

    def variants(self, info: dict, config: Config, *, resized: bool) -> dict[str, Predictor]:
        """Return further PyTorch models whose metrics are reported, by field of ``job.Drop``; may be empty."""
        ...


def make_exporter(model: Any, options: ExportOptions) -> Exporter:
    """Return the ``Exporter`` of a model's task.

    Raises:
        UserError: the task can't be exported, or this model can't.
    """
    task = TASKS[model.task]
    if task.exporter is None:
        raise UserError(f"a {task.noun} ({type(model).__name__}) can't be exported")
    exporter: Exporter = resolve(task.exporter)(model, options)
    return exporter
