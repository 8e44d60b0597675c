"""The interface of backbones, the network of a table, and the builder for registered names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from densevision.backbones.freeze import freeze
from densevision.backbones.layers import ConvNormAct, InvertedResidual, Padding
from densevision.backbones.spec import (
    BackboneSpec,
    ReducedTail,
    block_strides,
    place_hswish,
    scale_spec,
    spec_from_plain,
)
from densevision.backbones.tables import find_backbone
from densevision.errors import UserError


@dataclass(frozen=True)
class Tap:
    """A feature map that heads read."""

    channels: int
    stride: int  # input size / map size


class Taps(dict[str, Tap]):
    """The taps of a backbone; a missing one is reported with the names of the others."""

    def __missing__(self, name: str) -> Tap:
        raise KeyError(f"the backbone has no tap {name!r}; it has {', '.join(self) or 'none'}")


class TappedNetwork(Protocol):
    """What detectors and segmentation models need of a backbone: an ``nn.Module`` with

    Attributes:
        taps: name -> ``Tap``: "c4" and "c5" for ``SSDLite``; what the head reads for ``Segmentor``, "c3" and "c5" for
            ``LRASPPHead``.

    Three methods are optional:

    - ``stages()``: lists of modules, from the input to the output, for ``frozen_stages``;
    - ``parts()``: name -> modules, for exports that leave a part in float; without it, the network is one part;
    - ``tail()``: beginnings of the names of the parameters between "c4" and "c5", for ``init_from.halved_tail``.
    """

    taps: Mapping[str, Tap]

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Map images [N, 3, H, W], normalized, to tap name -> [N, channels, ceil(H / stride), ceil(W / stride)]."""
        ...


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
        if not bn_eps > 0:
            raise ValueError(f"bn_eps is {bn_eps}; give a number over 0")
        self.spec, self.padding, self.bn_eps = spec, padding, bn_eps
        self.stem = ConvNormAct(3, spec.stem, 3, stride=2, act=spec.stem_act, padding=padding)
        self.blocks = nn.ModuleList()
        taps = {}
        channels, stride_so_far = spec.stem, 2
        strides = block_strides(spec, output_stride)
        for index, (block, (stride, dilation)) in enumerate(zip(spec.blocks, strides, strict=True)):
            if index == spec.c4 and spec.c4_from == "expansion":
                taps["c4"] = Tap(block.expand, stride_so_far)
            self.blocks.append(InvertedResidual(channels, block, stride=stride, dilation=dilation, padding=padding))
            channels, stride_so_far = block.out, stride_so_far * stride
            if index == spec.c3:
                taps["c3"] = Tap(block.out if spec.c3_from == "output" else block.expand, stride_so_far)
            if index == spec.c4 and spec.c4_from == "output":
                taps["c4"] = Tap(block.out, stride_so_far)
        self.last = ConvNormAct(channels, spec.last, act=spec.blocks[-1].act) if spec.last else nn.Identity()
        self.taps = taps | {"c5": Tap(spec.last or channels, stride_so_far)}
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
        features, x = {}, self.stem(images)
        block: Any  # an InvertedResidual
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

    def stages(self) -> list[list[nn.Module]]:
        """Return five stages, which end where the table halves the size: the first is the stem and its blocks."""
        stages: list[list[nn.Module]] = [[self.stem]]
        for block, module in zip(self.spec.blocks, self.blocks, strict=True):
            if block.stride > 1:
                stages.append([])
            stages[-1].append(module)
        stages[-1].append(self.last)
        return stages

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """Return stem, block00 ... with its gate block00.se, and last; the residual sums belong to their blocks."""
        blocks = {f"block{index:02d}": [block] for index, block in enumerate(self.blocks)}
        gates = {f"block{index:02d}.se": [block.get_submodule("se")] for index, block in enumerate(self.blocks)}
        return {"previous": [self], "stem": [self.stem], **blocks, **gates, "last": [self.last]}

    def tail(self) -> tuple[str, ...]:
        """Return what the names of the parameters between C4 and C5 begin with: those that a reduced tail halves."""
        return *(f"blocks.{index}." for index in range(self.spec.tail_start, len(self.blocks))), "last."


def build_backbone(
    name: str,
    *,
    table: Mapping[str, Any] | None = None,
    frozen_stages: int = 0,
    freeze_norm_statistics: bool = False,
    **settings: Any,
) -> Any:
    """Build a registered backbone, or that of a table in the config.

    Args:
        name: a key of ``BACKBONES``; any name with ``table``.
        table: see ``spec_from_plain``; its channels are final, so that ``width`` and ``reduced_tail`` do not go with
            it. ``densevision adapt`` writes it.
        frozen_stages: number of stages, from the input on, that do not train; see ``freeze``.
        freeze_norm_statistics: keep the running statistics of all batch norms, and normalize by them.
        settings: of a table the arguments of ``build_table``, of a builder its own.
    Returns:
        A ``TappedNetwork``. The model initializes the network of a table; a builder's network keeps its own weights.
    Raises:
        ValueError: unknown name (the message lists the known ones) or value.
    """
    found = find_backbone(name) if table is None else spec_from_plain(table)
    if table is not None and (wrong := settings.keys() - {"output_stride", "padding", "bn_eps"}):
        raise ValueError(f"model.backbone has a table and {min(wrong)}; leave {min(wrong)} out")
    backbone = build_table(found, **settings) if isinstance(found, BackboneSpec) else found(**settings)
    taps = getattr(backbone, "taps", None)
    if not isinstance(backbone, nn.Module) or not isinstance(taps, Mapping) or not _are_taps(taps.values()):
        raise ValueError(
            f"the builder of backbone {name!r} gave no network with taps; return an nn.Module with "
            "taps = {name: Tap(channels, stride)}, see docs/extending.md"
        )
    freeze(backbone, frozen_stages, norm_statistics=freeze_norm_statistics)
    return backbone


def _are_taps(values: Iterable[object]) -> bool:
    return all(hasattr(value, "channels") and hasattr(value, "stride") for value in values)


def compute_taps(backbone: Any, images: Tensor) -> Mapping[str, Tensor]:
    """Run a ``TappedNetwork``; what a builder's network returns is compared with its ``taps``.

    Args:
        images: [N, 3, H, W], normalized.
    Raises:
        UserError: a tap is missing, or has other channels or another stride; a map may also be rounded down.
    """
    features: Mapping[str, Tensor] = backbone(images)
    if isinstance(backbone, Backbone):
        return features
    kind, size = type(backbone).__name__, images.shape[-2:]
    if not isinstance(features, Mapping) or not set(backbone.taps) <= set(features):
        raise UserError(f"backbone {kind}: forward must return a dict with the taps {', '.join(backbone.taps)}")
    for name, tap in backbone.taps.items():
        channels, *sides = features[name].shape[1:]
        rounded = all(-(-of // tap.stride) - side in (0, 1) for side, of in zip(sides, size, strict=True))
        if channels != tap.channels or not rounded:
            raise UserError(
                f"backbone {kind}: forward returns {name!r} with {channels} channels and "
                f"{sides[0]}x{sides[1]} cells for an image of {size[0]}x{size[1]}, which is not {tap}; correct taps"
            )
    return features


def set_momentum(network: nn.Module, momentum: float) -> None:
    """Set the weight of a new batch, in 0..1, in the running statistics of all batch norms."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def modules_to_initialize(model: Any) -> Iterator[nn.Module]:
    """Yield the modules of a model, except those of a builder's backbone, which keeps its weights."""
    kept = set() if isinstance(model.backbone, Backbone) else set(model.backbone.modules())
    return (module for module in model.modules() if module not in kept)


def network_parts(backbone: Any) -> dict[str, Sequence[nn.Module]]:
    """Return the parts of a ``TappedNetwork`` by name; the whole is one where it names none."""
    return backbone.parts() if hasattr(backbone, "parts") else {"backbone": [backbone]}


def build_table(
    spec: BackboneSpec,
    *,
    width: float = 1.0,
    output_stride: int = 32,
    reduced_tail: ReducedTail | None = None,
    padding: Padding = "symmetric",
    hswish_from: int | Literal["table"] | None = "table",
    bn_eps: float = 1e-3,
) -> Backbone:
    """Build the network of a table.

    Args:
        spec: the table at width 1.0.
        width: multiplier of every channel count.
        output_stride: 8, 16 or 32.
        reduced_tail: None, "detection" or "segmentation"; see ``scale_spec``.
        padding: "symmetric" or "same".
        hswish_from: "table" for the paper's placement, or the ablation of Table 5; see ``place_hswish``.
        bn_eps: epsilon of the batch norms.
    Raises:
        ValueError: unknown value.
    """
    spec = scale_spec(spec, width=width, reduced_tail=reduced_tail)
    if hswish_from != "table":
        spec = place_hswish(spec, hswish_from)
    return Backbone(spec, output_stride=output_stride, padding=padding, bn_eps=bn_eps)
