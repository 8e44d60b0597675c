"""Hold a written .tflite, and the graph it is made from, against the PyTorch model."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.export.detection_op import OP, OUTPUTS
from densevision.export.graph import DetectionGraph, SegmentationGraph, swap_xy
from densevision.export.reference import ReferenceSegmenter, dense_outputs, with_op_rules
from densevision.export.tflite_graph import count_ops, op_name, read_graph
from densevision.inference.metadata import ModelInfo, read_model_info
from densevision.inference.tflite_backend import TFLiteBackend, as_input, boxes_in_pixels, load_tflite, open_interpreter
from densevision.segmentation.model import Segmentor
from densevision.structures import Detections, Nms

Graph = DetectionGraph | SegmentationGraph

# Phones' GPU and NPU delegates refuse these, or they run in code of their own beside TFLite.
FORBIDDEN = (
    "GATHER",
    "GATHER_ND",
    "SCATTER_ND",
    "TOPK_V2",
    "WHILE",
    "IF",
    "NON_MAX_SUPPRESSION_V4",
    "NON_MAX_SUPPRESSION_V5",
    "BROADCAST_TO",
    "SELECT_V2",
    "CUMSUM",
    "WHERE",
)
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class Parity:
    """How far a file is from the PyTorch model over some images; None where the file has no such output.

    Attributes:
        images: number of images.
        boxes: largest difference of box sides, in fractions of the image, over all anchors.
        scores: largest difference of scores in 0..1, over all anchors.
        mean_scores: mean difference of the scores of the worst image.
        rows: share of the detections that the file's detection op and ``SSDLite``, which is given the same boxes and
            scores and suppresses alike, agree on, but for equal scores at the end of a full list; 1 where both find
            nothing.
        detections: number of those that ``SSDLite`` finds.
        labels: share of the pixels with the same label, of the worst image.
    """

    images: int
    boxes: float | None = None
    scores: float | None = None
    mean_scores: float | None = None
    rows: float | None = None
    detections: int | None = None
    labels: float | None = None


# Bounds by field of ``Parity``. What int8 costs, only the metric tells: its bounds catch what is broken, and a single
# score may flip. A row may differ where an overlap lies within rounding of the threshold, as is common in int8.
LIMITS = {
    "none": dict(boxes=1e-4, scores=1e-4, rows=0.99, labels=0.999),
    "float16": dict(boxes=0.02, scores=0.05, rows=0.99, labels=0.99),
    "int8": dict(mean_scores=0.05, rows=0.95, labels=0.8),
}
_AT_LEAST = {"labels": "of the labels", "rows": "of the detections"}
_GRAPH_TOLERANCE = 1e-3  # of boxes and scores: random weights, without any images to fit them, enlarge rounding
_ROW_TOLERANCE = 1e-4  # of a row's score, and of its box in fractions of the image


def check_parity(parity: Parity, quantize: str, path: Path) -> None:
    """Raise a UserError if a file differs more from PyTorch than its quantisation explains."""
    faults = []
    for name, limit in LIMITS[quantize].items():
        value = getattr(parity, name)
        if name in _AT_LEAST and value is not None and not value >= limit:
            faults.append(f"only {value:.2%} {_AT_LEAST[name]} agree (wanted: {limit:.1%})")
        elif name not in _AT_LEAST and value is not None and not value <= limit:
            faults.append(f"{name.replace('_', ' ')} differ by {value:.2g} (allowed: {limit})")
    if faults:
        raise UserError(f"{path}: not written, the file strays from PyTorch: {'; '.join(faults)}")


def check_ops(content: bytes, path: Path) -> dict[str, int]:
    """Count the operators by kind.

    Raises:
        UserError: one is custom and not the detection op, or forbidden, or a tensor has over four dimensions.
    """
    model = read_graph(content)
    counts = count_ops(model)
    codes = {op_name(model, op): model.operatorCodes[op.opcodeIndex] for op in model.subgraphs[0].operators}
    wrong = [name for name, code in codes.items() if name in FORBIDDEN or (code.customCode and name != OP)]
    if wrong:
        raise UserError(f"{path}: not written, the graph holds {', '.join(sorted(wrong))}, which phones refuse")
    for tensor in model.subgraphs[0].tensors:
        if tensor.shape is not None and len(tensor.shape) > _MOST_DIMENSIONS:
            raise UserError(
                f"{path}: not written, {tensor.name.decode()} has {len(tensor.shape)} dimensions, and "
                f"phones take at most {_MOST_DIMENSIONS}"
            )
    return counts


def ops_outside_delegate(path: Path) -> dict[str, int]:
    """Count by kind the operators that XNNPACK leaves to TFLite's own code."""
    details = open_interpreter(path)._get_ops_details()  # no public way; checked by a test
    delegates = [op for op in details if op["op_name"] == "DELEGATE"]
    rest = [op for op in details if op["op_name"] != "DELEGATE"]
    producer = {int(index): op for op in rest for index in op["outputs"]}
    inside: set[int] = set()
    for delegate in delegates:
        known, waiting = {int(i) for i in delegate["inputs"]}, [int(i) for i in delegate["outputs"]]
        while waiting:
            op = producer.get(waiting.pop())
            if op is not None and op["index"] not in inside:
                inside.add(op["index"])
                waiting += [int(i) for i in op["inputs"] if int(i) not in known]
    return dict(Counter(op["op_name"] for op in rest if op["index"] not in inside).most_common())


def measure_parity(
    graph: Graph, model: SSDLite | Segmentor, path: Path, images: Sequence[np.ndarray], *, nms: Nms = "across-classes"
) -> Parity:
    """Run a file and the PyTorch model on images.

    Args:
        graph: what the file was made from.
        model: is run through its own preprocessor and predict mode.
        images: [H, W, 3] uint8 RGB of the input's size.
        nms: of the file's detection op, where it has one.
    """
    if isinstance(model, SSDLite):
        return _measure_detector(graph, model, path, images, nms)
    return Parity(len(images), labels=min(_labels_agree(graph, model, path, image) for image in images))


def _measure_detector(
    graph: DetectionGraph, model: SSDLite, path: Path, images: Sequence[np.ndarray], nms: Nms
) -> Parity:
    interpreter = open_interpreter(path, keep_tensors=True)
    entry, details = interpreter.get_input_details()[0], interpreter.get_output_details()
    raw, op_model = _raw_outputs(path), with_op_rules(model, nms)
    errors, same, wanted_rows, rows = [], 0, 0, 0
    for image in images:
        interpreter.set_tensor(entry["index"], as_input(image[None], np.dtype(entry["dtype"]).name))
        interpreter.invoke()
        boxes, scores = (torch.from_numpy(interpreter.get_tensor(index))[0] for index in raw)
        errors.append(_dense_errors(graph, model, boxes, scores, dense_outputs(model, image)))
        if len(details) == len(OUTPUTS):
            found = _op_rows([interpreter.get_tensor(detail["index"]) for detail in details], model)
            wanted = op_model.select(op_model.decode(swap_xy(boxes)), scores).numpy()
            wanted_rows += len(wanted)
            found, wanted = _above_cut(found, wanted, model.postprocess.max_detections)
            same, rows = same + matched_rows(found, wanted, model.input_size), rows + max(len(found), len(wanted))
    worst = {name: max(error[name] for error in errors) for name in errors[0]}
    if len(details) == len(OUTPUTS):
        worst |= dict(rows=same / rows if rows else 1.0, detections=wanted_rows)
    return Parity(len(images), **worst)


def _dense_errors(
    graph: DetectionGraph, model: SSDLite, boxes: Tensor, scores: Tensor, wanted: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Compare outputs of a graph, boxes or encodings [A, 4] and scores [A, K], with the model's."""
    sides = boxes.new_tensor([model.input_size[1], model.input_size[0]] * 2)
    if not graph.decode:
        boxes = model.decode(swap_xy(boxes))
    else:
        boxes = swap_xy(boxes) * sides
        if model.postprocess.clip_first:
            boxes = clip_boxes_to_image(boxes, model.input_size)
    difference = (scores - wanted[1]).abs()
    return dict(
        boxes=float(((boxes - wanted[0]).abs() / sides).max()),
        scores=float(difference.max()),
        mean_scores=float(difference.mean()),
    )


def _op_rows(outputs: list[np.ndarray], model: SSDLite) -> Detections:
    (boxes,), (classes,), (scores,), count = outputs
    found = int(count[0])
    height, width = model.input_size
    pixels = boxes_in_pixels(boxes[:found], (height, width)).clip(0, np.array([width, height] * 2, np.float32))
    return Detections(pixels, scores[:found], classes[:found].astype(np.int64))


def _above_cut(found: Detections, wanted: Detections, limit: int) -> tuple[Detections, Detections]:
    """Leave out the lowest score where a list is full: which of several equal scores still fit is nobody's to say."""
    cut = wanted.scores.min(initial=1) + _ROW_TOLERANCE
    if len(wanted) < limit or not (wanted.scores > cut).any():
        return found, wanted
    kept = [each.scores > cut for each in (found, wanted)]
    return tuple(
        Detections(each.boxes[rows], each.scores[rows], each.labels[rows])
        for each, rows in zip((found, wanted), kept, strict=True)
    )


def matched_rows(
    found: Detections, wanted: Detections, size: tuple[int, int], tolerance: float = _ROW_TOLERANCE
) -> int:
    """Count the rows that two lists of detections, NumPy arrays, share: class, score and box, each row once.

    Args:
        size: (height, width) that boxes are measured by.
    """
    sides, free, count = np.array([size[1], size[0]] * 2, np.float32), np.ones(len(wanted), bool), 0
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        near = (np.abs(wanted.boxes - box) / sides).max(-1, initial=0) <= tolerance
        near &= free & (np.abs(wanted.scores - score) <= tolerance) & (wanted.labels == label)
        if near.any():
            free[np.flatnonzero(near)[0]] = False
            count += 1
    return count


def _labels_agree(graph: SegmentationGraph, model: Segmentor, path: Path, image: np.ndarray) -> float:
    """Compare at the image's size where the file's output leads there exactly, else at the output's own size."""
    at_full_size = graph.upsample is None or (graph.labels == "logits" and graph.upsample == 1)
    if at_full_size:
        found, wanted = load_tflite(path, threads=1)(image), ReferenceSegmenter(model, ())(image)
    else:
        (found,) = TFLiteBackend(path, 1)(image[None])
        (wanted,) = run_graph(graph, image)
        found, wanted = (each.argmax(-1) if each.ndim == 4 else each for each in (found, wanted.numpy()))
    return float((found == wanted).mean())


@torch.inference_mode()
def run_graph(graph: Graph, image: np.ndarray) -> tuple[Tensor, ...]:
    """Run a graph in PyTorch on an image [H, W, 3] uint8."""
    return graph(torch.from_numpy(as_input(image[None], "uint8" if graph.pixels.uint8 else "float32")))


def check_graph(graph: Graph, model: SSDLite | Segmentor, image: np.ndarray) -> None:
    """Check in PyTorch, before the conversion, that a graph computes what the model does, but for rounding.

    Args:
        image: [H, W, 3] uint8 RGB of the input's size.
    Raises:
        UserError: it does not: the model has parts that the export does not know.
    """
    if isinstance(model, SSDLite):
        (boxes,), (scores,) = run_graph(graph, image)
        wanted = dense_outputs(model, image)
        if scores.shape != wanted[1].shape or boxes.shape != wanted[0].shape:
            raise UserError(
                f"{type(model).__name__} can't be exported: its boxes and scores have other shapes than "
                f"those of {type(model.head).__name__}"
            )
        errors = _dense_errors(graph, model, boxes, scores, wanted)
        faults = [
            f"{name} differ by {errors[name]:.2g}"
            for name in ("boxes", "scores")
            if not errors[name] <= _GRAPH_TOLERANCE
        ]
    else:
        whole = copy.copy(graph)
        whole.labels, whole.upsample = "argmax", None
        wanted = ReferenceSegmenter(model, ())(image)
        found = run_graph(whole, image)[0][0].numpy()
        share = float((found == wanted).mean()) if found.shape == wanted.shape else 0.0
        faults = [f"{share:.2%} of the labels agree"] if not share >= 1 - 10 * _GRAPH_TOLERANCE else []
    if faults:
        raise UserError(
            f"{type(model).__name__} with {type(model.head).__name__} can't be exported, its parts compute "
            f"something else than its predictions: {'; '.join(faults)}"
        )


def check_layout(path: Path, out: Path, about: ModelInfo, model: SSDLite | Segmentor) -> None:
    """Check that a written file has the input that was asked for, and outputs to fit, by graph and metadata.

    Args:
        path: of the file.
        out: its name to be, for the message.
        about: what it shall say about itself.
    Raises:
        UserError: it differs.
    """
    interpreter = open_interpreter(path)
    entry = interpreter.get_input_details()[0]
    found = {"input": [*entry["shape"].tolist(), np.dtype(entry["dtype"]).name]}
    wanted = {"input": [1, *about.size, 3, about.input_type]}
    shapes = [detail["shape"].tolist() for detail in interpreter.get_output_details()]
    if isinstance(model, SSDLite):
        graph = read_graph(path.read_bytes()).subgraphs[0]
        boxes = graph.operators[-1].inputs[0] if about.outputs == "detections" else graph.outputs[0]
        found["anchors"], wanted["anchors"] = int(graph.tensors[boxes].shape[1]), len(model.anchors)
        if about.outputs == "boxes":
            found["classes"], wanted["classes"] = shapes[1][-1], len(about.classes)
    elif about.outputs == "logits":
        found["classes"], wanted["classes"] = shapes[0][-1], len(about.classes)
    found["metadata"], wanted["metadata"] = read_model_info(path) == about, True
    for name, value in wanted.items():
        if found[name] != value:
            raise UserError(f"{out}: not written, its {name} should be {value} and is {found[name]}")


def _raw_outputs(path: Path) -> list[int]:
    """Tensor indices of the network's outputs, which are the detection op's inputs where there is one."""
    model = read_graph(path.read_bytes())
    last = model.subgraphs[0].operators[-1]
    if op_name(model, last) == OP:
        return [int(index) for index in last.inputs[:2]]
    return [int(index) for index in model.subgraphs[0].outputs]
