"""Hold a written .tflite against the PyTorch graph it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from densevision.deploy.detection_op import OP, OUTPUTS
from densevision.deploy.flatbuffer import count_ops, op_name, read_graph
from densevision.deploy.graph import DetectionGraph, SegmentationGraph, decode_boxes
from densevision.deploy.tflite import as_input, open_interpreter
from densevision.errors import UserError

# Phones' GPU and NPU delegates refuse these, or they run in code of their own beside TFLite.
FORBIDDEN = ("GATHER", "GATHER_ND", "SCATTER_ND", "TOPK_V2", "WHILE", "IF", "NON_MAX_SUPPRESSION_V4",
             "NON_MAX_SUPPRESSION_V5", "BROADCAST_TO", "SELECT_V2", "CUMSUM", "WHERE")
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class Parity:
    """How far a file is from PyTorch over some pictures; None where the graph has no such output.

    Attributes:
        boxes: largest difference of decoded box sides, in fractions of the image.
        scores: largest difference of scores in 0..1.
        mean_scores: mean difference of the scores of the worst picture.
        labels: share of the cells with the same best class.
        images: number of pictures.
    """

    images: int
    boxes: float | None = None
    scores: float | None = None
    mean_scores: float | None = None
    labels: float | None = None


# How far a file may stray, by field of ``Parity``. What int8 costs, only the metric tells: its bounds catch what is
# broken, and a single score may flip.
LIMITS = {
    "none": dict(boxes=1e-4, scores=1e-4, labels=0.999),
    "float16": dict(boxes=0.02, scores=0.05, labels=0.99),
    "int8": dict(mean_scores=0.05, labels=0.8),
}


def check_parity(parity: Parity, quantize: str, path: Path) -> None:
    """Raise a UserError if a file strays further from PyTorch than its quantisation explains."""
    faults = []
    for name, limit in LIMITS[quantize].items():
        value = getattr(parity, name)
        if name == "labels" and value is not None and not value >= limit:
            faults.append(f"only {value:.2%} of the labels agree (wanted: {limit:.1%})")
        elif name != "labels" and value is not None and not value <= limit:
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
            raise UserError(f"{path}: not written, {tensor.name.decode()} has {len(tensor.shape)} dimensions, and "
                            f"phones take at most {_MOST_DIMENSIONS}")
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


def measure_parity(graph: DetectionGraph | SegmentationGraph, path: Path, images: Sequence[np.ndarray]) -> Parity:
    """Run file and graph on pictures.

    Args:
        images: [H, W, 3] uint8 RGB of the graph's size.
    """
    interpreter = open_interpreter(path, keep_tensors=True)
    entry = interpreter.get_input_details()[0]
    outputs = _raw_outputs(path)
    errors = []
    for image in images:
        interpreter.set_tensor(entry["index"], as_input(image[None], np.dtype(entry["dtype"]).name))
        interpreter.invoke()
        ours = [torch.from_numpy(interpreter.get_tensor(index)) for index in outputs]
        with torch.inference_mode():
            theirs = graph(torch.from_numpy(as_input(image[None], "uint8" if graph.pixels.uint8 else "float32")))
        errors.append(_compare(graph, ours, theirs))
        if len(interpreter.get_output_details()) == len(OUTPUTS):
            errors[-1]["boxes"] = max(errors[-1]["boxes"], _op_error(graph, interpreter, ours))
    return Parity(len(images), **_worst(errors))


def _op_error(graph: DetectionGraph, interpreter, inputs: list[torch.Tensor]) -> float:
    """How far the detection op's rows are from the boxes and scores that it was given: 0 but for rounding."""
    details = interpreter.get_output_details()
    boxes, classes, scores, count = (torch.from_numpy(interpreter.get_tensor(d["index"])) for d in details)
    found = int(count[0])
    given = decode_boxes(inputs[0][0], graph.anchors, graph.scales)  # [A, 4]
    box_errors = (boxes[0, :found, None] - given).abs().amax(-1)  # [found, A]
    score_errors = (scores[0, :found, None] - inputs[1][0][:, classes[0, :found].long()].T).abs()
    return float(torch.maximum(box_errors, score_errors).amin(-1).max()) if found else 0.0


def _raw_outputs(path: Path) -> list[int]:
    """Tensor indices of the network's outputs, which are the detection op's inputs where there is one."""
    model = read_graph(path.read_bytes())
    last = model.subgraphs[0].operators[-1]
    if op_name(model, last) == OP:
        return [int(index) for index in last.inputs[:2]]
    return [int(index) for index in model.subgraphs[0].outputs]


def _compare(graph, ours: list[torch.Tensor], theirs: tuple[torch.Tensor, ...]) -> dict[str, float]:
    if isinstance(graph, SegmentationGraph):
        best = [output if output.ndim == 3 else output.argmax(-1) for output in (ours[0], theirs[0])]
        return dict(labels=float((best[0] == best[1]).float().mean()))
    boxes = [output[0] if graph.decode else decode_boxes(output[0], graph.anchors, graph.scales)
             for output in (ours[0], theirs[0])]
    scores = (ours[1] - theirs[1]).abs()
    box_error = float((boxes[0] - boxes[1]).abs().max())
    return dict(boxes=box_error, scores=float(scores.max()), mean_scores=float(scores.mean()))


def _worst(errors: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: (min if name == "labels" else max)(error[name] for error in errors) for name in errors[0]}
