"""A table made into a network with three taps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from densevision.backbones.layers import ConvNormAct, InvertedResidual, Padding
from densevision.backbones.spec import BackboneSpec, ReducedTail, place_hswish, scale_spec
from densevision.backbones.tables import find_spec


@dataclass(frozen=True)
class Tap:
    """A feature map that heads read."""

    channels: int
    stride: int  # input size / map size


class Backbone(nn.Module):
    """A table as a network, without its classifier.

    Args:
        spec: the scaled table.
        output_stride: 8, 16 or 32. Where the network would go past it, strides become 1 and the depthwise
            convolutions of the following blocks dilate instead.
        padding: "symmetric", or "same" for TensorFlow's weights.
        bn_eps: epsilon of the batch norms; a part of published weights, see docs/weights.md.
    Attributes:
        taps: "c3" (depthwise output of the last stride-8 block), "c4" (expansion of the first tail block) and
            "c5" (last 1x1 convolution). Without expansions (MobileNetV1) "c4" is the last stride-16 output;
            without a last convolution "c5" is the last block's output.
    Source: paper Tables 1 and 2, sections 6.3 and 6.4.
    """

    taps: Mapping[str, Tap]

    def __init__(
        self, spec: BackboneSpec, *, output_stride: int = 32, padding: Padding = "symmetric", bn_eps: float = 1e-3
    ):
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride is {output_stride}; it is 8, 16 or 32")
        self.spec, self.padding, self.bn_eps = spec, padding, bn_eps
        self.stem = ConvNormAct(3, spec.stem, 3, stride=2, act=spec.stem_act, padding=padding)
        self.blocks = nn.ModuleList()
        taps = {}
        channels, reached, dilation = spec.stem, 2, 1
        for index, block in enumerate(spec.blocks):
            if index == spec.c4 and spec.c4_from == "expansion":
                taps["c4"] = Tap(block.expand, reached)
            keep_stride = reached * block.stride <= output_stride
            stride = block.stride if keep_stride else 1
            # The strided convolution itself needs no dilation: its inputs are as dense as before.
            behind = dilation if keep_stride else dilation * block.stride
            here = behind if spec.dilate_strided else dilation
            self.blocks.append(InvertedResidual(channels, block, stride=stride, dilation=here, padding=padding))
            channels, reached, dilation = block.out, reached * stride, behind
            if index == spec.c3:
                taps["c3"] = Tap(block.out if spec.c3_from == "output" else block.expand, reached)
            if index == spec.c4 and spec.c4_from == "output":
                taps["c4"] = Tap(block.out, reached)
        self.last = ConvNormAct(channels, spec.last, act=spec.blocks[-1].act) if spec.last else nn.Identity()
        self.taps = taps | {"c5": Tap(spec.last or channels, reached)}
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = bn_eps

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the taps.

        Args:
            images: [N, 3, H, W] float.
        Returns:
            tap name -> [N, channels, ceil(H / stride), ceil(W / stride)].
        """
        features = {}
        x = self.stem(images)
        for index, block in enumerate(self.blocks):
            expanded = block.expand(x)
            filtered = block.filter(expanded)
            x = block.project(filtered, x)
            if index == self.spec.c3:
                features["c3"] = x if self.spec.c3_from == "output" else filtered
            if index == self.spec.c4:
                features["c4"] = x if self.spec.c4_from == "output" else expanded
        features["c5"] = self.last(x)
        return features


def build_backbone(
    name: str,
    *,
    width: float = 1.0,
    output_stride: int = 32,
    reduced_tail: ReducedTail | None = None,
    padding: Padding = "symmetric",
    hswish_from: int | str | None = "table",
    bn_eps: float = 1e-3,
) -> Backbone:
    """Build a registered backbone.

    Args:
        name: a key of ``BACKBONES``.
        width: multiplier of every channel count.
        output_stride: 8, 16 or 32.
        reduced_tail: None, "detection" or "segmentation"; see ``scale_spec``.
        padding: "symmetric" or "same".
        hswish_from: "table" for the paper's placement, or the ablation of Table 5; see ``place_hswish``.
        bn_eps: epsilon of the batch norms.
    Raises:
        ValueError: unknown name (the message lists the known ones) or value.
    """
    spec = scale_spec(find_spec(name), width=width, reduced_tail=reduced_tail)
    if hswish_from != "table":
        spec = place_hswish(spec, hswish_from)
    return Backbone(spec, output_stride=output_stride, padding=padding, bn_eps=bn_eps)
