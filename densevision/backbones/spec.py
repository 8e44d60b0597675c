"""The rows of a backbone table, and how a table is scaled. Pure Python, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Activation = Literal["relu", "relu6", "hswish"]
ReducedTail = Literal["detection", "segmentation"]


@dataclass(frozen=True)
class Block:
    """One bottleneck: a row of a paper's table, in absolute channels at width 1.0."""

    kernel: int  # of the depthwise convolution, 3, 5 or 7
    expand: int  # "exp size": channels after the 1x1 expansion
    out: int  # "#out"
    se: bool | Literal["input"]  # squeeze-and-excite to 1/4 of the expansion, or with "input" of the block's input
    act: Activation  # "NL"
    stride: int  # 1 or 2
    separable: bool = False  # MobileNetV1: an activation after the projection, and no residual
    # What follows from the channels where it is None; ``explicit`` states it, so that a change of channels keeps it.
    expansion: bool | None = None  # whether there is a 1x1 expansion; else if expand is not the block's input
    residual: bool | None = None  # whether the input is added; else if its shape is the output's
    squeezed: int | None = None  # channels inside squeeze-and-excite


@dataclass(frozen=True)
class BackboneSpec:
    """A whole table. Block indices count from 0, the paper's bottlenecks from 1."""

    stem: int  # channels of the 3x3 stride-2 convolution
    stem_act: Activation
    blocks: tuple[Block, ...]
    last: int | None  # channels of the last 1x1 convolution, the tap C5; None: C5 is the last block's output
    c3: int  # index of the block with the stride-8 tap
    c4: int  # index of the block with the stride-16 tap
    source: str
    c3_from: Literal["depthwise", "output"] = "depthwise"  # torchvision's LR-ASPP reads the output of the C3 block
    c4_from: Literal["expansion", "output"] = "expansion"  # MobileNetV1 has no expansions
    halve_c4_expansion: bool = True  # whether the segmentation tail (RF2) halves the expansion of the C4 block
    hidden: int | None = None  # channels of the classifier's layer after the pooling
    widen_hidden: bool = False  # whether width multipliers over 1 widen that layer
    scale_stem: bool = True  # timm's V3 of width 0.5 keeps the stem's 16 channels
    dilate_strided: bool = False  # whether a block that loses its stride dilates, as in torchvision's LR-ASPP

    @property
    def tail_start(self) -> int:
        """Index of the first block of the tail: the C4 block, or the next one where C4 is its output."""
        return self.c4 if self.c4_from == "expansion" else self.c4 + 1


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to the nearest multiple of the divisor, at least one, never down by more than 10 %.

    Source: the authors' release of MobileNet (slim).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def is_expanded(block: Block, in_channels: int) -> bool:
    """Whether a block of a table has a 1x1 expansion."""
    return block.expand != in_channels if block.expansion is None else block.expansion


def has_residual(block: Block, in_channels: int, stride: int) -> bool:
    """Whether a block adds its input to its output; ``stride`` is the one that it runs with."""
    if block.residual is not None:
        return block.residual
    return stride == 1 and in_channels == block.out and not block.separable


def squeezed_channels(block: Block, in_channels: int) -> int:
    """Return the channels inside squeeze-and-excite; 0 without.

    They are 1/4 of the expansion rounded to 8, as in the paper, or 1/4 of the block's input as in MnasNet.
    """
    if not block.se:
        return 0
    rule = round(in_channels / 4) if block.se == "input" else make_divisible(block.expand / 4)
    return rule if block.squeezed is None else block.squeezed


def block_strides(spec: BackboneSpec, output_stride: int) -> list[tuple[int, int]]:
    """Return (stride, dilation) of every block's depthwise convolution, with a limit of the output stride."""
    found = []
    stride_so_far, dilation = 2, 1
    for block in spec.blocks:
        keep_stride = stride_so_far * block.stride <= output_stride
        stride = block.stride if keep_stride else 1
        # The strided convolution itself needs no dilation: its inputs are as dense as before.
        next_dilation = dilation if keep_stride else dilation * block.stride
        found.append((stride, next_dilation if spec.dilate_strided else dilation))
        stride_so_far, dilation = stride_so_far * stride, next_dilation
    return found


def explicit(spec: BackboneSpec, *, output_stride: int = 32) -> BackboneSpec:
    """State the expansions, residuals and gates of a table, so that other channels do not add or drop any."""
    blocks, channels = [], spec.stem
    for block, (stride, _) in zip(spec.blocks, block_strides(spec, output_stride), strict=True):
        stated = replace(
            block,
            expansion=is_expanded(block, channels),
            residual=has_residual(block, channels, stride),
            squeezed=squeezed_channels(block, channels) or None,
        )
        blocks.append(stated)
        channels = block.out
    return replace(spec, blocks=tuple(blocks))


def spec_to_plain(spec: BackboneSpec) -> dict[str, object]:
    """Return a table as numbers, text and lists, for a config; what is the default is left out."""
    return {**_changed(spec), "blocks": [_changed(block) for block in spec.blocks]}


def _changed(row: BackboneSpec | Block) -> dict[str, object]:
    return {one.name: getattr(row, one.name) for one in fields(row) if getattr(row, one.name) != one.default}


def spec_from_plain(table: Mapping[str, Any]) -> BackboneSpec:
    """Return the table of ``spec_to_plain``.

    Raises:
        ValueError: a field is missing or unknown, or the channels contradict a stated expansion or residual.
    """
    try:
        blocks = tuple(Block(**row) for row in table["blocks"])
        spec = BackboneSpec(**{**table, "blocks": blocks})
    except (TypeError, KeyError) as error:
        raise ValueError(f"the table of the backbone is not one: {error}") from error
    channels = spec.stem
    for index, block in enumerate(blocks):
        if block.expansion is False and block.expand != channels or block.residual and block.out != channels:
            raise ValueError(f"the table of the backbone: block {index} does not fit the {channels} channels before it")
        channels = block.out
    return spec


def scale_spec(
    spec: BackboneSpec, *, width: float = 1.0, reduced_tail: ReducedTail | None = None, keep_last: bool = False
) -> BackboneSpec:
    """Halve a table's tail, the layers between C4 and C5, and scale all channels.

    Args:
        spec: the table at width 1.0.
        width: multiplier of every channel count.
        reduced_tail: "detection" halves the outputs of the blocks from C4 on, the expansions after the C4 block
            and the last convolution. "segmentation" (RF2) also halves the expansion of the C4 block, unless the
            table excludes it (MobileNetV2).
        keep_last: keep the last convolution at full size for widths under 1, as classifiers of MobileNetV2 do.
    Raises:
        ValueError: width is not positive, or reduced_tail is not one of the above.
    Source: paper section 6.3 (Table 6, dagger) and 6.4 (Table 7, RF2).
    """
    if width <= 0:
        raise ValueError(f"width is {width}; it must be positive")
    if reduced_tail not in (None, "detection", "segmentation"):
        raise ValueError(f'reduced_tail is {reduced_tail!r}; it is None, "detection" or "segmentation"')
    if reduced_tail:
        spec = _halve_tail(spec, halve_c4_expansion=reduced_tail == "segmentation" and spec.halve_c4_expansion)
    widened = _widen(spec, width)
    return replace(widened, last=spec.last) if keep_last and width < 1 else widened


def _widen(spec: BackboneSpec, width: float) -> BackboneSpec:
    if width == 1.0:
        return spec
    blocks = []
    stem = make_divisible(spec.stem * width) if spec.scale_stem else spec.stem
    table_in, scaled_in = spec.stem, stem
    for block in spec.blocks:
        scaled_out = make_divisible(block.out * width)
        expand = make_divisible(scaled_in * block.expand / table_in)
        blocks.append(replace(block, expand=expand, out=scaled_out))
        table_in, scaled_in = block.out, scaled_out
    last = spec.last and make_divisible(scaled_in * spec.last / table_in)
    hidden = make_divisible(spec.hidden * max(1.0, width)) if spec.hidden and spec.widen_hidden else spec.hidden
    return replace(spec, stem=stem, blocks=tuple(blocks), last=last, hidden=hidden)


def _halve_tail(spec: BackboneSpec, *, halve_c4_expansion: bool) -> BackboneSpec:
    blocks = list(spec.blocks)
    for index in range(spec.tail_start, len(blocks)):
        block = blocks[index]
        halve = halve_c4_expansion or index > spec.tail_start
        expand = make_divisible(block.expand / 2) if halve else block.expand
        blocks[index] = replace(block, expand=expand, out=make_divisible(block.out / 2))
    return replace(spec, blocks=tuple(blocks), last=spec.last and make_divisible(spec.last / 2))


def minimalistic(spec: BackboneSpec) -> BackboneSpec:
    """Drop what quantizes badly: no squeeze-and-excite, ReLU everywhere, 3x3 kernels.

    Source: the authors' release of MobileNetV3 (slim), "minimalistic" models.
    """
    blocks = tuple(replace(block, kernel=3, se=False, act="relu") for block in spec.blocks)
    return replace(spec, stem_act="relu", blocks=blocks, source=f"{spec.source}, minimalistic")


def without_se(spec: BackboneSpec) -> BackboneSpec:
    """Drop every squeeze-and-excite."""
    return replace(spec, blocks=tuple(replace(block, se=False) for block in spec.blocks))


def original_last_stage(spec: BackboneSpec) -> BackboneSpec:
    """Restore MobileNetV2's last stage: a bottleneck to 320 channels, a convolution to 1280, then the pooling.

    The paper's efficient stage pools before the 1280 channels and drops the bottleneck.

    Source: paper section 5.1 and Figure 5, upper half.
    """
    assert spec.last is not None
    bottleneck = Block(3, spec.last, 320, False, spec.blocks[-1].act, 1)
    return replace(spec, blocks=(*spec.blocks, bottleneck), last=1280, hidden=None, widen_hidden=False)


def wide_stem(spec: BackboneSpec) -> BackboneSpec:
    """Restore the stem of 32 filters with ReLU, whose first bottleneck has no expansion either.

    Source: paper section 5.1, where 16 filters with h-swish are as accurate and save 10 million multiply-adds.
    """
    first, *others = spec.blocks
    return replace(spec, stem=32, stem_act="relu", blocks=(replace(first, expand=32), *others))


def place_hswish(spec: BackboneSpec, channels: int | None) -> BackboneSpec:
    """Use h-swish from the first block with this many output channels on, and ReLU before it.

    Args:
        channels: 16, 80 or 112 in the paper's ablation; None for ReLU everywhere. The stem has h-swish unless it
            is None.
    Source: paper Table 5 and Figure 9.
    """
    start = len(spec.blocks)
    if channels is not None:
        start = next((i for i, block in enumerate(spec.blocks) if block.out >= channels), start)
    acts: list[Activation] = ["hswish" if i >= start else "relu" for i in range(len(spec.blocks))]
    blocks = tuple(replace(block, act=act) for block, act in zip(spec.blocks, acts, strict=True))
    return replace(spec, blocks=blocks, stem_act="hswish" if channels is not None else "relu")
