"""From a trained model to a checked .tflite; the only importer of litert_torch."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from densevision.atomic import replacing
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.export.detection_op import DetectionOp, append_detection_op
from densevision.export.graph import DetectionGraph, InputType, SegmentationGraph, is_plain
from densevision.export.metadata import attach_metadata
from densevision.export.quantize import to_float16, to_int8
from densevision.export.reference import with_op_rules
from densevision.export.tflite_graph import name_ops, name_outputs, read_graph, write_graph
from densevision.export.verify import (
    Parity,
    check_graph,
    check_layout,
    check_ops,
    check_parity,
    measure_parity,
    ops_outside_delegate,
)
from densevision.inference.metadata import ModelInfo
from densevision.segmentation.model import Segmentor
from densevision.structures import Nms


@dataclass(frozen=True)
class ExportOptions:
    """What kind of file to write.

    Attributes:
        size: (height, width) of a segmenter's input; a detector has its own.
        quantize: float32 ("none"), float16 weights, or full-integer int8.
        input_type: pixels as uint8, or as float32 from -1 to 1.
        postprocess: end a detector in ``TFLite_Detection_PostProcess``, or in boxes and scores.
        nms: how that op suppresses overlaps.
        labels: end a segmenter in a label map, or in logits.
        upsample: enlarge the segmenter's logits so many times; None makes them as large as the image.
        float_parts: keys of ``quantize.FLOAT_PARTS`` that an int8 file keeps in float.
    """

    size: tuple[int, int] | None = None
    quantize: Literal["none", "float16", "int8"] = "none"
    input_type: InputType = "uint8"
    postprocess: Literal["nms", "none"] = "nms"
    nms: Nms = "across-classes"
    labels: Literal["argmax", "logits"] = "argmax"
    upsample: int | None = 1
    float_parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: of the file.
        size_bytes: of the file.
        sha256: of the file.
        ops: operators by kind.
        outside: those of them that run outside XNNPACK.
        parity: with PyTorch; None if no images were given.
    """

    path: Path
    size_bytes: int
    sha256: str
    ops: dict[str, int]
    outside: dict[str, int]
    parity: Parity | None


@dataclass(frozen=True)
class Pictures:
    """Real images for an export, [H, W, 3] uint8 RGB of the input's size.

    Attributes:
        check: for the parity with PyTorch; without any, only the file's operators are checked (random weights,
            for timing).
        calibration: for the activations' ranges of an int8 file.
    """

    check: Sequence[np.ndarray] = ()
    calibration: Sequence[np.ndarray] = ()


def export_tflite(
    model: SSDLite | Segmentor,
    path: str | Path,
    options: ExportOptions = ExportOptions(),  # noqa: B008
    pictures: Pictures = Pictures(),  # noqa: B008
    *,
    about: dict | None = None,
    judge: Callable[[Path], None] | None = None,
) -> ExportReport:
    """Write a model as a .tflite and hold the file against the model, as its predict mode runs it.

    Args:
        path: where the file goes; nothing is left there when something fails.
        about: ``classes``, ``palette`` and ``origin`` of ``ModelInfo``; classes are numbered without.
        judge: is shown the written file before it gets its name, and may raise.
    Raises:
        UserError: the network can't be converted, holds NaN, or the file fails a check.
    """
    path, model = Path(path), copy.deepcopy(model).cpu().eval()
    check_weights_finite(model)
    graph, size = build_graph(model, options)
    check_pictures(pictures, size, options)
    check_graph(graph, model, pictures.check[0] if len(pictures.check) else _waves(size))
    description = describe(model, size, options, about or {})
    with replacing(path, "--out") as unfinished:
        content = quantize(convert(graph, size), options, pictures.calibration)
        content = attach_metadata(finish_graph(content, graph, model, options), description)
        unfinished.write_bytes(content)
        check_layout(unfinished, path, description, model)
        ops = check_ops(content, path)
        outside = ops_outside_delegate(unfinished)
        parity = None
        if len(pictures.check):
            parity = measure_parity(graph, model, unfinished, pictures.check, nms=options.nms)
            check_parity(parity, options.quantize, path)
        if judge:
            judge(unfinished)
    return ExportReport(path, len(content), hashlib.sha256(content).hexdigest(), ops, outside, parity)


def check_pictures(pictures: Pictures, size: tuple[int, int], options: ExportOptions) -> None:
    """Raise a UserError if pictures are missing, or have another size or type than the input."""
    if options.quantize == "int8" and not len(pictures.calibration):
        raise UserError("int8 needs calibration images, and there are none")
    for image in (*pictures.check, *pictures.calibration):
        if image.shape != (*size, 3) or image.dtype != np.uint8:
            raise UserError(f"an image is {image.dtype} {image.shape}, the input takes uint8 {(*size, 3)}; resize it")


def check_weights_finite(model: torch.nn.Module) -> None:
    """Raise a UserError that names the first tensor with NaN or infinite values."""
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"the weights {name} hold NaN or infinite values; use an earlier checkpoint")


def build_graph(model: SSDLite | Segmentor, options: ExportOptions):
    """Return the graph to convert and its input's (height, width)."""
    pixels = options.input_type
    if options.quantize == "int8" and is_plain(model.data_preprocessor):
        pixels = "float32"  # the quantiser turns them into uint8, and no float operator is left at the start
    if isinstance(model, SSDLite):
        return DetectionGraph(model, pixels, decode=options.postprocess == "none"), model.input_size
    if options.size is None:
        raise ValueError("a segmenter needs options.size")
    return SegmentationGraph(model, pixels, labels=options.labels, upsample=options.upsample), options.size


def quantize(content: bytes, options: ExportOptions, calibration: Sequence[np.ndarray]) -> bytes:
    """Quantise a converted graph as the options say."""
    if options.quantize == "float16":
        return to_float16(content)
    if options.quantize == "int8":
        uint8_input = options.input_type == "uint8"
        return to_int8(content, calibration, float_parts=options.float_parts, uint8_input=uint8_input)
    return content


def convert(graph: DetectionGraph | SegmentationGraph, size: tuple[int, int]) -> bytes:
    """Convert a graph for one size; its operators get the names of ``name_ops``.

    Raises:
        UserError: an operator has no counterpart, or litert-torch is missing.
    """
    dtype = torch.uint8 if graph.pixels.uint8 else torch.float32
    sample = torch.zeros(1, *size, 3, dtype=dtype)
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        try:
            import litert_torch
        except ImportError as error:
            raise UserError("export needs litert-torch; pip install densevision[tflite]") from error
        try:
            litert_torch.convert(graph.eval(), (sample,)).export(f"{folder}/model.tflite")
        except RuntimeError as error:
            raise UserError(f"the network can't be converted: {str(error).strip().splitlines()[0][:200]}") from error
        model = read_graph(Path(folder, "model.tflite").read_bytes())
    name_ops(model)
    return write_graph(model)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's C++ log lines off the terminal."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def finish_graph(
    content: bytes, graph: DetectionGraph | SegmentationGraph, model: SSDLite | Segmentor, options: ExportOptions
) -> bytes:
    """Name the outputs, and append the detection op where the graph ends in encodings."""
    edited = read_graph(content)
    if isinstance(graph, SegmentationGraph):
        name_outputs(edited, (graph.labels if graph.labels == "logits" else "labels",))
    elif graph.decode:
        name_outputs(edited, ("boxes", "scores"))
    else:
        rules = model.postprocess
        append_detection_op(
            edited,
            DetectionOp(
                graph.anchors.numpy(),
                graph.scales,
                rules.score_threshold,
                rules.iou_threshold,
                rules.max_detections,
                options.nms,
            ),
        )
    return write_graph(edited)


def describe(model: SSDLite | Segmentor, size: tuple[int, int], options: ExportOptions, about: dict) -> ModelInfo:
    """Gather what the file says about itself."""
    if isinstance(model, SSDLite):
        outputs = "detections" if options.postprocess == "nms" else "boxes"
        rules = with_op_rules(model, options.nms).postprocess if outputs == "detections" else model.postprocess
        postprocess, padded = asdict(rules), None
    else:
        outputs, postprocess = "labels" if options.labels == "argmax" else "logits", {}
        padded = model.padded_size(size) if model.align_corners and options.upsample is not None else None
    classes = tuple(about.get("classes") or map(str, range(model.num_classes)))
    palette = tuple(map(tuple, about.get("palette") or ())) if outputs in ("labels", "logits") else ()
    return ModelInfo(
        outputs,
        classes,
        tuple(size),
        options.input_type,
        options.quantize,
        palette,
        postprocess,
        dict(about.get("origin") or {}),
        padded,
    )


def _waves(size: tuple[int, int]) -> np.ndarray:
    """Smooth colors [H, W, 3] uint8, for a check without images."""
    rows, columns = np.mgrid[: size[0], : size[1]] / 20.0
    waves = [np.sin(a * rows + b * columns) for a, b in ((1.0, 0.3), (0.4, 1.1), (0.7, 0.7))]
    return (np.stack(waves, -1) * 127 + 128).astype(np.uint8)
