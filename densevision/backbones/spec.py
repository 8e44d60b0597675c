"""What a backbone's table row says, and how a table is scaled. Pure Python, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Activation = Literal["relu", "relu6", "hswish"]
ReducedTail = Literal["detection", "segmentation"]


@dataclass(frozen=True)
class Block:
    """One bottleneck: a row of a paper's table, in absolute channels at width 1.0."""

    kernel: int  # of the depthwise convolution, 3, 5 or 7
    expand: int  # "exp size": channels after the 1x1 expansion
    out: int  # "#out"
    se: bool | Literal["input"]  # squeeze-and-excite: of a quarter of the expansion; "input": of the block's input
    act: Activation  # "NL"
    stride: int  # 1 or 2
    separable: bool = False  # MobileNetV1: an activation behind the projection, and no residual


@dataclass(frozen=True)
class BackboneSpec:
    """A whole table. Block indices count from 0, the paper's bottlenecks from 1."""

    stem: int  # channels of the 3x3 stride-2 convolution
    stem_act: Activation
    blocks: tuple[Block, ...]
    last: int | None  # channels of the last 1x1 convolution, the tap C5; None: C5 is the last block's output
    c3: int  # index of the block whose depthwise output is the stride-8 tap
    c4: int  # index of the block whose expansion is the stride-16 tap
    source: str
    c4_output: bool = False  # MobileNetV1 has no expansions: C4 is that block's output, the tail begins behind it
    rf2_expansion: bool = True  # the segmentation tail halves the expansion of the C4 block too
    hidden: int | None = None  # channels of the classifier's own layer behind the pooling
    hidden_widens: bool = False  # whether multipliers over 1 widen that layer
    stem_widens: bool = True  # timm's V3 of width 0.5 keeps the stem's 16 channels
    c3_output: bool = False  # torchvision's LR-ASPP reads the C3 block's output, not its depthwise output
    dilate_strided: bool = False  # torchvision's convolution that loses its stride dilates like the ones behind it


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to the nearest multiple, at least one, never more than 10 % down.

    Source: the authors' release of MobileNet (slim).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def scale_spec(
    spec: BackboneSpec, *, width: float = 1.0, reduced_tail: ReducedTail | None = None, keep_last: bool = False
) -> BackboneSpec:
    """Halve a table's tail, what lies between C4 and C5, and widen the table.

    Args:
        spec: the table at width 1.0.
        width: multiplier of every channel count.
        reduced_tail: "detection" halves the outputs of the blocks from C4 on and of the last convolution;
            the expansion of the C4 block stays, later ones follow their halved input. "segmentation" (RF2)
            halves the expansion of the C4 block too, where the table says so (V3, not V2).
        keep_last: do not narrow the last convolution at widths under 1, as classifiers of MobileNetV2 do.
    Raises:
        ValueError: width is not positive, or reduced_tail is not one of the above.
    Source: paper section 6.3 (Table 6, dagger) and 6.4 (Table 7, RF2).
    """
    if width <= 0:
        raise ValueError(f"width is {width}; it must be positive")
    if reduced_tail not in (None, "detection", "segmentation"):
        raise ValueError(f'reduced_tail is {reduced_tail!r}; it is None, "detection" or "segmentation"')
    if reduced_tail:
        spec = _halve_tail(spec, halve_c4_expansion=reduced_tail == "segmentation" and spec.rf2_expansion)
    widened = _widen(spec, width)
    return replace(widened, last=spec.last) if keep_last and width < 1 else widened


def _widen(spec: BackboneSpec, width: float) -> BackboneSpec:
    if width == 1.0:
        return spec
    blocks = []
    stem = make_divisible(spec.stem * width) if spec.stem_widens else spec.stem
    table_in, scaled_in = spec.stem, stem
    for block in spec.blocks:
        scaled_out = make_divisible(block.out * width)
        expand = make_divisible(scaled_in * block.expand / table_in)
        blocks.append(replace(block, expand=expand, out=scaled_out))
        table_in, scaled_in = block.out, scaled_out
    last = spec.last and make_divisible(scaled_in * spec.last / table_in)
    hidden = make_divisible(spec.hidden * max(1.0, width)) if spec.hidden_widens else spec.hidden
    return replace(spec, stem=stem, blocks=tuple(blocks), last=last, hidden=hidden)


def _halve_tail(spec: BackboneSpec, *, halve_c4_expansion: bool) -> BackboneSpec:
    blocks = list(spec.blocks)
    first = spec.c4 + spec.c4_output
    for index in range(first, len(blocks)):
        block = blocks[index]
        halve = halve_c4_expansion or index > first
        expand = make_divisible(block.expand / 2) if halve else block.expand
        blocks[index] = replace(block, expand=expand, out=make_divisible(block.out / 2))
    return replace(spec, blocks=tuple(blocks), last=spec.last and make_divisible(spec.last / 2))


def minimalistic(spec: BackboneSpec) -> BackboneSpec:
    """Drop what quantises badly: no squeeze-and-excite, ReLU everywhere, 3x3 kernels.

    Source: the authors' release of MobileNetV3 (slim), "minimalistic" models.
    """
    blocks = tuple(replace(block, kernel=3, se=False, act="relu") for block in spec.blocks)
    return replace(spec, stem_act="relu", blocks=blocks, source=f"{spec.source}, minimalistic")


def without_se(spec: BackboneSpec) -> BackboneSpec:
    """Drop every squeeze-and-excite."""
    return replace(spec, blocks=tuple(replace(block, se=False) for block in spec.blocks))


def original_last_stage(spec: BackboneSpec) -> BackboneSpec:
    """Put MobileNetV2's last stage back: one more bottleneck to 320, a 1280 convolution, and pooling only then.

    The efficient stage pools in front of the 1280 channels, and needs no bottleneck to keep that layer small.

    Source: paper section 5.1 and Figure 5, upper half.
    """
    bottleneck = Block(3, spec.last, 320, False, spec.blocks[-1].act, 1)
    return replace(spec, blocks=(*spec.blocks, bottleneck), last=1280, hidden=None, hidden_widens=False)


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
