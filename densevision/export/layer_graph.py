"""Write single layers as .tflite files, to time them: kilobytes in milliseconds, without the converter."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.export.tflite_graph import op_code, write_graph

_ACTIVATIONS = {
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
_NONE = schema.ActivationFunctionType.NONE
_SCALE, _WEIGHT_SCALE = 0.05, 0.01  # of int8 values; any that XNNPACK accepts run equally fast
_UNIT = (1 / 256, -128)  # scale and zero point of values in 0..1
_SIX = (6 / 255, -128)


@dataclass(frozen=True, order=True)
class Layer:
    """What runs as a unit, on a map [1, height, width, channels].

    Attributes:
        kind: "conv" and "depthwise" with bias and activation; "gate", squeeze-and-excite; "add" and "mul" of two maps;
            "pool", the mean of a ``kernel`` window, 0 of the whole map; "resize", bilinear.
        height, width: of the input.
        channels: of the input.
        out: of a convolution, output channels; of a gate, inner channels; of "resize" and "pool", see ``size``.
        size: of "resize" the output's (height, width); of "pool" the window and the steps.
        act: "relu", "relu6", "hswish", "sigmoid" (of a gate), or "" for none.
        padded: zeros are added at all sides by an operator of its own, as PyTorch's stride 2 on an even size needs.
    """

    kind: str
    height: int
    width: int
    channels: int
    out: int = 0
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    act: str = ""
    padded: bool = False
    size: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Its name in a table of times."""
        return " ".join("x".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in astuple(self))


def layer_file(layer: Layer, *, int8: bool = False) -> bytes:
    """Return a .tflite that computes one layer.

    Raises:
        KeyError: unknown kind.
    """
    graph = _Graph(int8)
    image = graph.tensor([1, layer.height, layer.width, layer.channels])
    graph.inputs.append(image)
    _WRITERS[layer.kind](graph, layer, image)
    return graph.content()


class _Graph:
    """A model of one subgraph whose latest output is the graph's."""

    def __init__(self, int8: bool) -> None:
        self.int8 = int8
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.operatorCodes, self.model.subgraphs = 3, [], [self.graph]
        self.model.buffers, self.graph.tensors, self.graph.operators = [schema.BufferT()], [], []
        self.inputs: list[int] = []
        self.random = np.random.default_rng(0)

    def tensor(self, shape: list[int], scale: tuple[float, int] = (_SCALE, 0)) -> int:
        """Add a map, float32 or int8."""
        kind = schema.TensorType.INT8 if self.int8 else schema.TensorType.FLOAT32
        return self._add(shape, kind, None, ([scale[0]], [scale[1]], 0))

    def weights(self, shape: list[int], axis: int) -> int:
        """Add random weights with a scale per channel of an axis."""
        values = self.random.standard_normal(shape)
        if not self.int8:
            return self._add(shape, schema.TensorType.FLOAT32, values.astype(np.float32), None)
        scales = ([_WEIGHT_SCALE] * shape[axis], [0] * shape[axis], axis)
        return self._add(shape, schema.TensorType.INT8, np.clip(values * 40, -127, 127).astype(np.int8), scales)

    def bias(self, count: int) -> int:
        """Add a bias of zeros."""
        if not self.int8:
            return self._add([count], schema.TensorType.FLOAT32, np.zeros(count, np.float32), None)
        scales = ([_SCALE * _WEIGHT_SCALE] * count, [0] * count, 0)
        return self._add([count], schema.TensorType.INT32, np.zeros(count, np.int32), scales)

    def scalar(self, value: float) -> int:
        """Add a constant that a map is added to or multiplied by."""
        if not self.int8:
            return self._add([], schema.TensorType.FLOAT32, np.array(value, np.float32), None)
        return self._add([], schema.TensorType.INT8, np.array(127, np.int8), ([value / 127], [0], 0))

    def integers(self, values: list) -> int:
        """Add a constant of int32."""
        array = np.array(values, np.int32)
        return self._add(list(array.shape), schema.TensorType.INT32, array, None)

    def run(self, kind: str, inputs: list[int], output: int, options: object = None) -> int:
        """Add an operator; returns its output."""
        operator = schema.OperatorT()
        operator.opcodeIndex = op_code(self.model, getattr(schema.BuiltinOperator, kind))
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptions, operator.builtinOptionsType = options, getattr(schema.BuiltinOptions, name)
        self.graph.operators.append(operator)
        return output

    def shape(self, tensor: int) -> list[int]:
        """Return the shape of a tensor."""
        return [int(side) for side in self.graph.tensors[tensor].shape]

    def content(self) -> bytes:
        """Pack the model."""
        self.graph.inputs = np.array(self.inputs, np.int32)
        self.graph.outputs = np.array([self.graph.operators[-1].outputs[0]], np.int32)
        for code in self.model.operatorCodes:
            code.version = 3 if self.int8 else 1
        return write_graph(self.model)

    def _add(self, shape: list[int], kind: int, values: np.ndarray | None, scales: tuple | None) -> int:
        tensor, buffer = schema.TensorT(), schema.BufferT()
        if values is not None:
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.name, tensor.shape = f"t{len(self.graph.tensors)}".encode(), np.array(shape, np.int32)
        tensor.type, tensor.buffer = kind, len(self.model.buffers) - 1
        if scales is not None and kind != schema.TensorType.FLOAT32:
            quantization = schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = np.array(scales[0], np.float32), np.array(scales[1], np.int64)
            quantization.quantizedDimension = scales[2]
            tensor.quantization = quantization
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1


def _binary(graph: _Graph, kind: str, one: int, other: int, output: int, act: int = _NONE) -> int:
    options = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT}[kind]()
    options.fusedActivationFunction = act
    return graph.run(kind, [one, other], output, options)


def _convolution(graph: _Graph, layer: Layer, image: int) -> int:
    depthwise = layer.kind == "depthwise"
    padding = schema.Padding.SAME
    if layer.padded:
        image, padding = _pad(graph, image, layer.kernel // 2), schema.Padding.VALID
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.strideH = options.strideW = layer.stride
    options.dilationHFactor = options.dilationWFactor = layer.dilation
    options.padding = padding
    options.fusedActivationFunction = _ACTIVATIONS.get(layer.act, _NONE)
    kernel, out = layer.kernel, layer.channels if depthwise else layer.out
    if depthwise:
        options.depthMultiplier = 1
        weights = graph.weights([1, kernel, kernel, out], 3)
    else:
        weights = graph.weights([out, kernel, kernel, layer.channels], 0)
    size = [-(-side // layer.stride) for side in (layer.height, layer.width)]
    made = graph.tensor([1, *size, out])
    graph.run("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [image, weights, graph.bias(out)], made, options)
    return _hard_swish(graph, made) if layer.act == "hswish" else made


def _pad(graph: _Graph, image: int, by: int) -> int:
    _, height, width, channels = graph.shape(image)
    sides = graph.integers([[0, 0], [by, by], [by, by], [0, 0]])
    return graph.run(
        "PAD", [image, sides], graph.tensor([1, height + 2 * by, width + 2 * by, channels]), schema.PadOptionsT()
    )


def _hard_swish(graph: _Graph, x: int) -> int:
    shape = graph.shape(x)
    if not graph.int8:
        return graph.run("HARD_SWISH", [x], graph.tensor(shape), schema.HardSwishOptionsT())
    # As quantize.split_hard_swish writes it.
    clipped = _binary(graph, "ADD", x, graph.scalar(3), graph.tensor(shape, _SIX), _ACTIVATIONS["relu6"])
    gate = _binary(graph, "MUL", clipped, graph.scalar(1 / 6), graph.tensor(shape, _UNIT))
    return _binary(graph, "MUL", x, gate, graph.tensor(shape))


def _gate(graph: _Graph, layer: Layer, image: int) -> int:
    options = schema.ReducerOptionsT()
    options.keepDims = True
    pooled = graph.run("MEAN", [image, graph.integers([1, 2])], graph.tensor([1, 1, 1, layer.channels]), options)
    inside = _convolution(graph, Layer("conv", 1, 1, layer.channels, layer.out, act="relu"), pooled)
    if layer.act == "sigmoid":
        opened = _convolution(graph, Layer("conv", 1, 1, layer.out, layer.channels), inside)
        opened = graph.run("LOGISTIC", [opened], graph.tensor(graph.shape(opened), _UNIT))
    else:
        opened = _convolution(graph, Layer("conv", 1, 1, layer.out, layer.channels, act="relu6"), inside)
        opened = _binary(graph, "MUL", opened, graph.scalar(1 / 6), graph.tensor(graph.shape(opened), _UNIT))
    return _binary(graph, "MUL", image, opened, graph.tensor(graph.shape(image)))


def _two_maps(graph: _Graph, layer: Layer, image: int) -> int:
    other = graph.tensor(graph.shape(image))
    graph.inputs.append(other)
    return _binary(graph, layer.kind.upper(), image, other, graph.tensor(graph.shape(image)))


def _pool(graph: _Graph, layer: Layer, image: int) -> int:
    options = schema.Pool2DOptionsT()
    options.filterHeight, options.filterWidth, options.strideH, options.strideW = layer.size
    options.padding, options.fusedActivationFunction = schema.Padding.VALID, _NONE
    pairs = zip((layer.height, layer.width), layer.size[:2], layer.size[2:], strict=True)
    size = [(side - window) // step + 1 for side, window, step in pairs]
    return graph.run("AVERAGE_POOL_2D", [image], graph.tensor([1, *size, layer.channels]), options)


def _resize(graph: _Graph, layer: Layer, image: int) -> int:
    options = schema.ResizeBilinearOptionsT()
    options.alignCorners, options.halfPixelCenters = False, True
    made = graph.tensor([1, *layer.size, layer.channels])
    return graph.run("RESIZE_BILINEAR", [image, graph.integers(list(layer.size))], made, options)


_WRITERS = {
    "conv": _convolution,
    "depthwise": _convolution,
    "gate": _gate,
    "add": _two_maps,
    "mul": _two_maps,
    "pool": _pool,
    "resize": _resize,
}
