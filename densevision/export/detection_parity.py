"""Compare a detector's file with the PyTorch model: boxes and scores, and the rows of the detection op."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from densevision.detection.model import SSDLite
from densevision.export.detection_graph import DetectionGraph, swap_xy
from densevision.export.detection_op import OP, OUTPUTS
from densevision.export.detection_reference import predict_dense, with_op_postprocess
from densevision.export.exporter import Parity
from densevision.export.tflite_graph import op_name, read_graph
from densevision.inference.tflite_backend import as_input, boxes_in_pixels, open_interpreter
from densevision.structures import Detections, Nms

_ROW_TOLERANCE = 1e-4  # of a row's score, and of its box in fractions of the image


def measure_detector(
    graph: DetectionGraph,
    model: SSDLite,
    path: Path,
    images: Sequence[np.ndarray],
    nms: Nms,
) -> Parity:
    """Run a file on images and compare it with the model.

    Args:
        graph: what the file was made from.
        images: [H, W, 3] uint8 RGB of the input's size.
        nms: of the file's detection op, where it has one.
    """
    interpreter = open_interpreter(path, keep_tensors=True)
    entry, details = interpreter.get_input_details()[0], interpreter.get_output_details()
    inner, with_op = _network_outputs(path), len(details) == len(OUTPUTS)
    op_model = with_op_postprocess(model, nms)
    errors, same, wanted_rows, rows = [], 0, 0, 0
    for image in images:
        interpreter.set_tensor(entry["index"], as_input(image[None], np.dtype(entry["dtype"]).name))
        interpreter.invoke()
        boxes, scores = (torch.from_numpy(interpreter.get_tensor(index))[0] for index in inner)
        errors.append(compare_dense(graph, model, (boxes, scores), predict_dense(model, image)))
        if with_op:
            found = _op_rows([interpreter.get_tensor(detail["index"]) for detail in details], model)
            wanted = op_model.select(op_model.decode(swap_xy(boxes)), scores).numpy()
            wanted_rows += len(wanted)
            found, wanted = _above_cut(found, wanted, model.postprocess.max_detections)
            same, rows = same + matched_rows(found, wanted, model.input_size), rows + max(len(found), len(wanted))
    worst: dict[str, Any] = {name: max(error[name] for error in errors) for name in errors[0]}
    if with_op:
        return Parity(len(images), **worst, rows=same / rows if rows else 1.0, detections=wanted_rows)
    return Parity(len(images), **worst)


def compare_dense(
    graph: DetectionGraph, model: SSDLite, found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Return by how much outputs of a graph, boxes or encodings [A, 4] and scores [A, K], differ from the model's."""
    boxes, scores = found
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
    """Leave out the lowest score where a list is full: which of several equal scores still fit is arbitrary."""
    cut = np.min(wanted.scores, initial=1) + _ROW_TOLERANCE
    if len(wanted) < limit or not (wanted.scores > cut).any():
        return found, wanted
    return _over(found, cut), _over(wanted, cut)


def _over(found: Detections, score: float) -> Detections:
    rows = found.scores > score
    return Detections(found.boxes[rows], found.scores[rows], found.labels[rows])


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


def _network_outputs(path: Path) -> list[int]:
    """Tensor indices of the network's outputs, which are the detection op's inputs where there is one."""
    model = read_graph(path.read_bytes())
    last = model.subgraphs[0].operators[-1]
    if op_name(model, last) == OP:
        return [int(index) for index in last.inputs[:2]]
    return [int(index) for index in model.subgraphs[0].outputs]
