"""The layers of a network's .tflite whose times depend on its channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from densevision.adapt.shape import Shape
from densevision.backbones.spec import block_strides
from densevision.export.layer_graph import Layer

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Geometry:
    """What else than its ``Shape`` determines a network's layers.

    Attributes:
        size: (height, width) of the input.
        output_stride: of the backbone.
        symmetric: strided convolutions pad both sides equally, which takes an operator of its own on even sizes.
        outputs: channels of the predictors: per map of a detector (classes, boxes); of a segmentation model (classes,).
        pooling: of LR-ASPP: window and steps, None for the whole map.
        joins: the head is R-ASPP.
        ratio: by which LR-ASPP upsamples its coarser feature; None: to the size of the finer one.
    """

    size: Size
    output_stride: int
    symmetric: bool
    outputs: tuple[tuple[int, ...], ...]
    pooling: tuple[int, tuple[int, int]] | None = None
    joins: bool = False
    ratio: int | None = None


def geometry_of(model: Any, size: Size, output_stride: int) -> Geometry:
    """Return the geometry of a model that ``shape_of`` accepts.

    Args:
        size: (height, width) of the input images.
    """
    symmetric = model.backbone.padding == "symmetric"
    if model.task == "detection":
        pairs = zip(model.head.class_layers, model.head.box_layers, strict=True)
        outputs = tuple((one.out_channels, other.out_channels) for one, other in pairs)
        return Geometry(model.input_size, output_stride, symmetric, outputs)
    joins, classes = hasattr(model.head, "join"), ((model.num_classes,),)
    pooling, ratio = (None, None) if joins else (model.head.pooling, model.head.ratio)
    return Geometry(model.padded_size(size), output_stride, symmetric, classes, pooling, joins, ratio)


def layers_of(shape: Shape, geometry: Geometry) -> list[Layer]:
    """List the layers of a network, those of the backbone first."""
    found = _Layers(geometry)
    taps = found.backbone(shape)
    if shape.extras:
        found.detector(shape, taps)
    elif geometry.joins:
        found.raspp(shape, taps)
    else:
        found.lraspp(shape, taps)
    return found.layers


Map = tuple[Size, int]  # size and channels


def _half(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)


class _Layers:
    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.layers: list[Layer] = []

    def conv(self, source: Map, out: int, act: str = "", *, kernel: int = 1, stride: int = 1) -> Map:
        size, channels = source
        padded = self._padded(size, kernel, stride)
        self.layers.append(Layer("conv", *size, channels, out, kernel, stride, 1, act, padded))
        return _half(size, stride), out

    def depthwise(self, source: Map, kernel: int, stride: int, dilation: int, act: str) -> Map:
        size, channels = source
        padded = self._padded(size, kernel, stride)
        self.layers.append(Layer("depthwise", *size, channels, channels, kernel, stride, dilation, act, padded))
        return _half(size, stride), channels

    def add(self, kind: str, source: Map, **options: Any) -> None:
        size, channels = source
        self.layers.append(Layer(kind, *size, channels, **options))

    def _padded(self, size: Size, kernel: int, stride: int) -> bool:
        return self.geometry.symmetric and kernel > 1 and stride > 1 and any(side % 2 == 0 for side in size)

    def backbone(self, shape: Shape) -> dict[str, Map]:
        spec, taps = shape.spec, {}
        x = self.conv((self.geometry.size, 3), spec.stem, spec.stem_act, kernel=3, stride=2)
        strides = block_strides(spec, self.geometry.output_stride)
        for index, (block, (stride, dilation)) in enumerate(zip(spec.blocks, strides, strict=True)):
            expanded = self.conv(x, block.expand, block.act) if block.expansion else x
            filtered = self.depthwise(expanded, block.kernel, stride, dilation, block.act)
            if block.squeezed:
                act = "sigmoid" if block.se == "input" else "hsigmoid"
                self.add("gate", filtered, out=block.squeezed, act=act)
            x = self.conv(filtered, block.out, block.act if block.separable else "")
            if block.residual:
                self.add("add", x)
            if index == spec.c3:
                taps["c3"] = x if spec.c3_from == "output" else filtered
            if index == spec.c4:
                taps["c4"] = x if spec.c4_from == "output" else expanded
        taps["c5"] = self.conv(x, spec.last, spec.blocks[-1].act) if spec.last else x
        return taps

    def detector(self, shape: Shape, taps: dict[str, Map]) -> None:
        maps = [taps["c4"], taps["c5"]]
        for middle, out in shape.extras:
            x = self.depthwise(self.conv(maps[-1], middle, "relu6"), 3, 2, 1, "relu6")
            maps.append(self.conv(x, out, "relu6"))
        for each, outputs in zip(maps, self.geometry.outputs, strict=True):
            for out in outputs:
                self.conv(self.depthwise(each, 3, 1, 1, "relu6"), out)

    def lraspp(self, shape: Shape, taps: dict[str, Map]) -> None:
        (low, _), (high, _) = taps["c3"], taps["c5"]
        filters, ((classes,),) = shape.filters or 0, self.geometry.outputs
        window, steps = self.geometry.pooling or (max(high), (1, 1))
        sides = [min(window, side) for side in high]
        self.add("pool", taps["c5"], size=(*sides, *steps))
        pooled = ((high[0] - sides[0]) // steps[0] + 1, (high[1] - sides[1]) // steps[1] + 1)
        self.conv((pooled, taps["c5"][1]), filters, "relu6")
        self.conv(taps["c5"], filters, "relu")
        self.add("resize", (pooled, filters), size=high)
        self.add("mul", (high, filters))
        ratio = self.geometry.ratio
        whole = low if ratio is None else (ratio * high[0], ratio * high[1])
        self.add("resize", (high, filters), size=whole)
        self.conv((whole, filters), classes)
        self.conv(taps["c3"], classes)

    def raspp(self, shape: Shape, taps: dict[str, Map]) -> None:
        size, channels = taps["c5"]
        filters, ((classes,),) = shape.filters or 0, self.geometry.outputs
        self.conv(taps["c5"], filters, "relu")
        self.add("pool", taps["c5"], size=(*size, 1, 1))
        self.conv(((1, 1), channels), filters, "relu")
        self.add("resize", ((1, 1), filters), size=size)
        self.conv((size, 2 * filters), filters, "relu")
        self.conv((size, filters), classes)
