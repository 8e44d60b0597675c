"""Read and change the graph inside a .tflite."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

if TYPE_CHECKING:
    from torch import nn

_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_LABEL = re.compile(r"part<([^<>]*)>")
IO, PREVIOUS = "io", "previous"  # what is around the network; what belongs to the part that comes before it


def read_graph(content: bytes) -> schema.ModelT:
    """Unpack the bytes of a .tflite; a zip of files after it is lost."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def write_graph(model: schema.ModelT) -> bytes:
    """Pack a model."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def op_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Name an operator's kind: CONV_2D, TFLite_Detection_PostProcess."""
    code = model.operatorCodes[operator.opcodeIndex]
    return code.customCode.decode() if code.customCode else _OP_NAMES[code.builtinCode]


def count_ops(model: schema.ModelT) -> dict[str, int]:
    """Count the operators by kind, the most frequent first."""
    return dict(Counter(op_name(model, op) for graph in model.subgraphs for op in graph.operators).most_common())


def op_code(model: schema.ModelT, builtin: int, custom: str | None = None) -> int:
    """Return the index of an operator code, adding it where it is missing."""
    wanted = custom.encode() if custom else None
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin and code.customCode == wanted:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.customCode, code.version = builtin, wanted, 1
    code.deprecatedBuiltinCode = min(builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def add_tensor(model: schema.ModelT, name: str, shape: list[int], values: np.ndarray | float | None = None) -> int:
    """Add a float32 tensor, a constant where values are given; returns its index in the first subgraph."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    if values is not None:
        buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape = name.encode(), np.array(shape, np.int32)
    tensor.type, tensor.buffer = schema.TensorType.FLOAT32, len(model.buffers) - 1
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


@contextlib.contextmanager
def labeled(graph: nn.Module, parts: Mapping[str, Sequence[nn.Module]]) -> Iterator[None]:
    """Let the converter write the part of each operator into its tensors' names, for ``name_ops``.

    The converter names a tensor after the classes of the modules that computed it, from the outermost to the
    innermost; here every module gets a class that is named after its part.

    Args:
        parts: part's name -> modules of the graph; what is inside a module belongs to its part, unless it is listed.
    """
    kinds = {module: type(module) for module in graph.modules()}
    labels = {id(module): part for part, modules in parts.items() for module in modules}

    def label(module: nn.Module, part: str) -> None:
        part = labels.get(id(module), part)
        module.__class__ = type(f"part<{part}>", (kinds[module],), {})
        for child in module.children():
            label(child, part)

    label(graph, IO)
    try:
        yield
    finally:
        for module, kind in kinds.items():
            module.__class__ = kind


def name_ops(model: schema.ModelT) -> None:
    """Rename the outputs of a ``labeled`` graph's operators to ``<part>/<KIND>_<number>``.

    Their constants are renamed to match, and the input to ``image``. The part "previous" becomes that of the latest
    operator among the inputs.
    """
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = b"image"
    for signature in model.signatureDefs or []:
        signature.inputs[0].name = b"image"
    parts: dict[int, tuple[int, str]] = {}  # tensor -> number and part of the operator that computes it
    for number, operator in enumerate(graph.operators):
        part = _part(graph.tensors[operator.outputs[0]].name.decode())
        if part == PREVIOUS:
            part = max(parts[int(index)] for index in operator.inputs if int(index) in parts)[1]
        kind = op_name(model, operator)
        for index in operator.outputs:
            parts[int(index)] = number, part
            graph.tensors[index].name = f"{part}/{kind}_{number}".encode()
        for place, index in enumerate(operator.inputs):
            if index >= 0 and model.buffers[graph.tensors[index].buffer].data is not None:
                graph.tensors[index].name = f"constant/{kind}_{number}_{place}".encode()


def _part(scopes: str) -> str:
    """Return the part of a tensor by the converter's name: scopes of fused operators, the last operator's first."""
    found = [_LABEL.findall(scope) for scope in scopes.split(";") if scope]
    return next((labels[-1] for labels in found if labels), IO)


def split_hard_swish(model: schema.ModelT) -> None:
    """Rewrite float HARD_SWISH as add 3 with relu6, times 1/6, times the input.

    XNNPACK has no int8 HARD_SWISH, but folds this chain, in this order, into one table look-up.
    """
    graph = model.subgraphs[0]
    three = add_tensor(model, "hard_swish/three", [], 3)
    sixth = add_tensor(model, "hard_swish/sixth", [], 1 / 6)
    operators = []
    for operator in graph.operators:
        if op_name(model, operator) != "HARD_SWISH":
            operators.append(operator)
            continue
        (x, *_), (y, *_) = operator.inputs, operator.outputs
        name, shape = graph.tensors[y].name.decode(), list(graph.tensors[x].shape)
        clipped, gate = add_tensor(model, f"{name}/relu6", shape), add_tensor(model, f"{name}/gate", shape)
        operators += [
            _binary(model, "ADD", (x, three), clipped, schema.ActivationFunctionType.RELU6),
            _binary(model, "MUL", (clipped, sixth), gate),
            _binary(model, "MUL", (x, gate), y),
        ]
    graph.operators = operators


def take_uint8(model: schema.ModelT) -> None:
    """Make the float32 input of -1..1 a uint8 one: pixel p stands for (p - 128) / 127.5.

    The pixels become float by DEQUANTIZE. XNNPACK folds it and the QUANTIZE after it into one table look-up; a
    QUANTIZE from uint8 to int8 would run outside, and take ten times as long.
    """
    graph = model.subgraphs[0]
    pixels = int(graph.inputs[0])
    image = graph.tensors[pixels]
    floats = add_tensor(model, "io/DEQUANTIZE", list(image.shape))
    for operator in graph.operators:
        operator.inputs = np.array([floats if index == pixels else index for index in operator.inputs], np.int32)
    image.type, image.quantization = schema.TensorType.UINT8, schema.QuantizationParametersT()
    image.quantization.scale, image.quantization.zeroPoint = (
        np.array([1 / 127.5], np.float32),
        np.array([128], np.int64),
    )
    graph.operators.insert(0, _operator(model, "DEQUANTIZE", (pixels,), floats))


def take_argmax_in_int8(model: schema.ModelT) -> None:
    """Let ARG_MAX read int8 values instead of the same values converted to float, which have the same order.

    At 512x1024 the floats of 19 classes would take 40 MB.
    """
    graph = model.subgraphs[0]
    producers = {int(index): operator for operator in graph.operators for index in operator.outputs}
    for operator in list(graph.operators):
        source = producers.get(int(operator.inputs[0]))
        if op_name(model, operator) == "ARG_MAX" and source and op_name(model, source) == "DEQUANTIZE":
            operator.inputs = np.array([source.inputs[0], operator.inputs[1]], np.int32)
            graph.operators.remove(source)


def _binary(
    model: schema.ModelT,
    kind: str,
    inputs: tuple[int, int],
    output: int,
    activation: int = schema.ActivationFunctionType.NONE,
) -> schema.OperatorT:
    operator = _operator(model, kind, inputs, output)
    options = {
        "ADD": (schema.AddOptionsT, schema.BuiltinOptions.AddOptions),
        "MUL": (schema.MulOptionsT, schema.BuiltinOptions.MulOptions),
    }
    make, operator.builtinOptionsType = options[kind]
    operator.builtinOptions = make()
    operator.builtinOptions.fusedActivationFunction = activation
    return operator


def _operator(model: schema.ModelT, kind: str, inputs: tuple[int, ...], output: int) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = op_code(model, getattr(schema.BuiltinOperator, kind))
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    return operator


def name_outputs(model: schema.ModelT, names: tuple[str, ...]) -> None:
    """Name the output tensors, and the signature's outputs, in the graph's order."""
    graph = model.subgraphs[0]
    maps = []
    for name, index in zip(names, graph.outputs, strict=True):
        graph.tensors[index].name = name.encode()
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), int(index)
        maps.append(entry)
    for signature in model.signatureDefs or []:
        signature.outputs = maps
