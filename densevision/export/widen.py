"""Store the float16 constants of a .tflite as float32: the same numbers, twice the bytes."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.export.tflite_graph import op_name, read_graph, write_graph


def widen_float16(content: bytes) -> bytes:
    """Return a .tflite whose float16 constants are float32, without the operators that converted them.

    Args:
        content: of a file that ``densevision export`` wrote; the files after its graph stay, and a file without
            float16 constants is returned as it is.
    """
    model = read_graph(content)
    constants = {}  # output of a removed operator -> the constant that it converted
    for operator in list(model.subgraphs[0].operators):
        source = model.subgraphs[0].tensors[operator.inputs[0]]
        if op_name(model, operator) == "DEQUANTIZE" and source.type == schema.TensorType.FLOAT16:
            constants[int(operator.outputs[0])] = int(operator.inputs[0])
            model.subgraphs[0].operators.remove(operator)
    if not constants:
        return content
    for operator in model.subgraphs[0].operators:
        operator.inputs = np.array([constants.get(int(index), int(index)) for index in operator.inputs], np.int32)
    _widen_tensors(model, set(constants.values()))
    return _with_files_of(content, write_graph(model))


def _widen_tensors(model: schema.ModelT, indices: set[int]) -> None:
    tensors = [model.subgraphs[0].tensors[index] for index in indices]
    for number in {tensor.buffer for tensor in tensors}:
        halves = np.frombuffer(bytes(model.buffers[number].data), "<f2")
        model.buffers[number].data = halves.astype("<f4").view(np.uint8)
    for tensor in tensors:
        tensor.type = schema.TensorType.FLOAT32


def _with_files_of(original: bytes, graph: bytes) -> bytes:
    """Append the files that follow the graph of another .tflite."""
    whole = io.BytesIO(graph)
    with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            new.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), old.read(entry))
    return whole.getvalue()
