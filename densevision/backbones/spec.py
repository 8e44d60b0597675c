"""What a MobileNetV3 table row says, and how a table is scaled. Pure Python, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Activation = Literal["relu", "hswish"]
ReducedTail = Literal["detection", "segmentation"]


@dataclass(frozen=True)
class Block:
    """One bottleneck: a row of Table 1 or 2, in absolute channels at width 1.0."""

    kernel: int  # of the depthwise convolution, 3 or 5
    expand: int  # "exp size": channels after the 1x1 expansion
    out: int  # "#out"
    se: bool  # squeeze-and-excite
    act: Activation  # "NL"
    stride: int  # 1 or 2


@dataclass(frozen=True)
class BackboneSpec:
    """A whole table. Block indices count from 0, the paper's bottlenecks from 1."""

    stem: int  # channels of the 3x3 stride-2 convolution
    stem_act: Activation
    blocks: tuple[Block, ...]
    last: int  # channels of the last 1x1 convolution, the tap C5
    c3: int  # index of the block whose depthwise output is the stride-8 tap
    c4: int  # index of the block whose expansion is the stride-16 tap
    source: str


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to the nearest multiple, at least one, never more than 10 % down.

    Source: the authors' release of MobileNet (slim).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def scale_spec(spec: BackboneSpec, *, width: float = 1.0, reduced_tail: ReducedTail | None = None) -> BackboneSpec:
    """Widen a table, then halve its tail: what lies between C4 and C5.

    Args:
        spec: the table at width 1.0.
        width: multiplier of every channel count.
        reduced_tail: "detection" halves the outputs of the blocks from C4 on and of the last convolution;
            the expansion of the C4 block stays, later ones follow their halved input. "segmentation" (RF2)
            halves the expansion of the C4 block too.
    Raises:
        ValueError: width is not positive, or reduced_tail is not one of the above.
    Source: paper section 6.3 (Table 6, dagger) and 6.4 (Table 7, RF2).
    """
    if width <= 0:
        raise ValueError(f"width is {width}; it must be positive")
    if reduced_tail not in (None, "detection", "segmentation"):
        raise ValueError(f'reduced_tail is {reduced_tail!r}; it is None, "detection" or "segmentation"')
    spec = _widen(spec, width)
    return _halve_tail(spec, halve_c4_expansion=reduced_tail == "segmentation") if reduced_tail else spec


def _widen(spec: BackboneSpec, width: float) -> BackboneSpec:
    if width == 1.0:
        return spec
    blocks = []
    table_in, scaled_in = spec.stem, make_divisible(spec.stem * width)
    stem = scaled_in
    for block in spec.blocks:
        scaled_out = make_divisible(block.out * width)
        expand = make_divisible(scaled_in * block.expand / table_in)
        blocks.append(replace(block, expand=expand, out=scaled_out))
        table_in, scaled_in = block.out, scaled_out
    last = make_divisible(scaled_in * spec.last / table_in)
    return replace(spec, stem=stem, blocks=tuple(blocks), last=last)


def _halve_tail(spec: BackboneSpec, *, halve_c4_expansion: bool) -> BackboneSpec:
    blocks = list(spec.blocks)
    for index in range(spec.c4, len(blocks)):
        block = blocks[index]
        halve = halve_c4_expansion or index > spec.c4
        expand = make_divisible(block.expand / 2) if halve else block.expand
        blocks[index] = replace(block, expand=expand, out=make_divisible(block.out / 2))
    return replace(spec, blocks=tuple(blocks), last=make_divisible(spec.last / 2))


def place_hswish(spec: BackboneSpec, channels: int | None) -> BackboneSpec:
    """Use h-swish from the first block that has this many output channels, ReLU before it.

    Args:
        channels: 16, 80 or 112 in the paper's ablation; None for ReLU everywhere. With 16 the stem too has
            h-swish; the first bottleneck, which has the stem's 16 channels, follows it.
    Source: paper Table 5 and Figure 9.
    """
    start = len(spec.blocks)
    if channels is not None:
        start = next((i for i, block in enumerate(spec.blocks) if block.out >= channels), start)
    acts: list[Activation] = ["hswish" if i >= start else "relu" for i in range(len(spec.blocks))]
    blocks = tuple(replace(block, act=act) for block, act in zip(spec.blocks, acts, strict=True))
    return replace(spec, blocks=blocks, stem_act="hswish" if channels is not None else "relu")
