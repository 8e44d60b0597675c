"""Check a written .tflite: its operators, its layout, and its distance from the PyTorch model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from densevision.errors import UserError
from densevision.export.detection_op import OP
from densevision.export.exporter import Exporter, Parity
from densevision.export.tflite_graph import count_ops, op_name, read_graph
from densevision.inference.metadata import ModelInfo, read_model_info
from densevision.inference.tflite_backend import open_interpreter

# Phones' GPU and NPU delegates refuse these, or they run in custom code next to TFLite.
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

# Bounds by field of ``Parity``. Only the metric shows what int8 costs: its bounds catch broken files, and a single
# score may flip. A row may differ where an overlap is within rounding of the threshold, as is common in int8.
LIMITS = {
    "none": dict(boxes=1e-4, scores=1e-4, rows=0.99, labels=0.999),
    "float16": dict(boxes=0.02, scores=0.05, rows=0.99, labels=0.99),
    "int8": dict(mean_scores=0.05, shift=0.25, rows=0.95, labels=0.8),
}
_AT_LEAST = {"labels": "of the labels", "rows": "of the detections"}


def check_parity(parity: Parity, quantize: str, path: Path) -> None:
    """Raise a UserError if a file differs more from PyTorch than its quantization explains."""
    faults, measured = [], parity.measured()
    for name in [name for name in LIMITS[quantize] if name in measured]:
        limit, value = LIMITS[quantize][name], measured[name]
        if name in _AT_LEAST and not value >= limit:
            faults.append(f"only {value:.2%} {_AT_LEAST[name]} agree (wanted: {limit:.1%})")
        elif name not in _AT_LEAST and not value <= limit:
            faults.append(f"{name.replace('_', ' ')} differ by {value:.2g} (allowed: {limit})")
    if faults:
        raise UserError(f"{path}: not written, the file differs from PyTorch: {'; '.join(faults)}")


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
        raise UserError(f"{path}: not written, the graph contains {', '.join(sorted(wrong))}, which phones refuse")
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


def check_layout(path: Path, out: Path, info: ModelInfo, exporter: Exporter) -> None:
    """Check that a written file has the input that was asked for, and outputs to fit, by graph and metadata.

    Args:
        path: of the file.
        out: its later name, for the message.
        info: the metadata it should have.
    Raises:
        UserError: it differs.
    """
    entry = open_interpreter(path).get_input_details()[0]
    compared: dict[str, tuple[object, object]] = {
        "input": (
            [*entry["shape"].tolist(), np.dtype(entry["dtype"]).name],
            [1, *info.size, 3, info.input_type],
        ),
        **exporter.layout(path, info),
        "metadata": (read_model_info(path) == info, True),
    }
    for name, (found, wanted) in compared.items():
        if found != wanted:
            raise UserError(f"{out}: not written, its {name} should be {wanted} and is {found}")
