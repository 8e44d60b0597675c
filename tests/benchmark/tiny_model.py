"""A .tflite of two operators, made without the converter: CAST, which XNNPACK leaves out, then squares."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.export.tflite_graph import op_code, write_graph


def tiny_model(side: int = 64, squares: int = 1) -> bytes:
    """[1, side, side, 3] uint8 -> float32, squared so many times."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
    model.buffers = [schema.BufferT()]
    graph.tensors = [_tensor(side, f"t{index}", index == 0) for index in range(squares + 2)]
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([squares + 1], np.int32)
    graph.operators = [_operator(model, "CAST", [0], 1)]
    graph.operators += [_operator(model, "MUL", [index, index], index + 1) for index in range(1, squares + 1)]
    return write_graph(model)


def _tensor(side: int, name: str, pixels: bool) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name.encode(), np.array([1, side, side, 3], np.int32), 0
    tensor.type = schema.TensorType.UINT8 if pixels else schema.TensorType.FLOAT32
    return tensor


def _operator(model: schema.ModelT, kind: str, inputs: list[int], output: int) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = op_code(model, getattr(schema.BuiltinOperator, kind))
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    if kind == "MUL":
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.MulOptions, schema.MulOptionsT()
    return operator
