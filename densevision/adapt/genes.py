"""The factorised space of the paper's platform-aware search, around a network: per stage five genes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from densevision.adapt.shape import Shape
from densevision.backbones.spec import Block, make_divisible

Genome = tuple[int, ...]  # per gene the index of its allele; 0 is what the seed has
_FACTORS = (1.0, 0.75, 0.5, 1.25)  # of the seed's expansions and outputs
_ALLELES: dict[str, tuple[Any, ...]] = dict(
    kernel=(0, 3, 5), expansion=_FACTORS, gate=(None, False, True), layers=(0, -1, 1), width=_FACTORS
)
GENES = tuple(_ALLELES)  # of a stage, in this order


@dataclass(frozen=True)
class Expressed:
    """The network of a genome.

    Attributes:
        shape: of it.
        origins: per block the seed's block whose weights it inherits; None for a new one.
    """

    shape: Shape
    origins: tuple[int | None, ...]


def stages(shape: Shape) -> list[list[int]]:
    """Return the indices of the blocks of each stage: residuals join the blocks after the first."""
    found: list[list[int]] = []
    for index, block in enumerate(shape.spec.blocks):
        if block.residual and found:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def space(shape: Shape) -> tuple[int, ...]:
    """Return the number of alleles of each gene: those of the first stage, then of the second."""
    return tuple(len(alleles) for _ in stages(shape) for alleles in _ALLELES.values())


def describe(genome: Genome) -> str:
    """Return what differs from the seed: "stage 1: kernel 5, width 0.75"."""
    parts = []
    for stage, genes in enumerate(_by_stage(genome)):
        changes = [
            f"{name} {_ALLELES[name][allele]:g}" if name != "gate" else f"gate {'on' if allele == 2 else 'off'}"
            for name, allele in zip(GENES, genes, strict=True)
            if allele
        ]
        parts += [f"stage {stage}: {', '.join(changes)}"] if changes else []
    return "; ".join(parts) or "the seed"


def express(seed: Shape, genome: Genome) -> Expressed:
    """Build the network of a genome.

    A gene that does not apply changes nothing: a width where the stem is tied to it, the expansion of a block without
    one, the loss of a stage's only layer. Stem, last convolution, extra maps and head stay the seed's.
    """
    blocks: list[Block] = []
    origins: list[int | None] = []
    places: dict[int, int] = {}  # of the seed's blocks, in the new network
    channels = seed.spec.stem
    for indices, genes in zip(stages(seed), _by_stage(genome), strict=True):
        values = {name: _ALLELES[name][allele] for name, allele in zip(GENES, genes, strict=True)}
        kept = indices[:-1] if values["layers"] == -1 and len(indices) > 1 else indices
        tied = bool(seed.spec.blocks[indices[0]].residual)  # to the stem
        last = seed.spec.blocks[kept[-1]]
        out = channels if tied else _scaled(last.out, values["width"])
        for index in kept:
            blocks.append(_changed(seed.spec.blocks[index], values, channels, out))
            channels = out
        origins += kept
        places |= {index: len(blocks) - 1 - (len(kept) - 1 - min(n, len(kept) - 1)) for n, index in enumerate(indices)}
        if values["layers"] == 1 and last.expansion and not last.separable:
            blocks.append(_changed(replace(last, stride=1, residual=True), values, out, out))
            origins.append(None)
    spec = replace(seed.spec, blocks=tuple(blocks), c3=places[seed.spec.c3], c4=places[seed.spec.c4])
    return Expressed(replace(seed, spec=spec), tuple(origins))


def _by_stage(genome: Genome) -> Iterator[Genome]:
    return (genome[start : start + len(GENES)] for start in range(0, len(genome), len(GENES)))


def _scaled(channels: int, factor: float) -> int:
    return channels if factor == 1 else make_divisible(channels * factor)


def _changed(block: Block, values: dict[str, Any], channels: int, out: int) -> Block:
    """Return a block with its stage's genes; ``channels`` enter it."""
    expand = _scaled(block.expand, values["expansion"]) if block.expansion else channels
    squeezed = block.squeezed
    if values["gate"] is not None:
        squeezed = make_divisible(expand / 4) if values["gate"] else None
    elif squeezed:
        squeezed = make_divisible(expand / 4) if expand != block.expand else squeezed
    kernel = values["kernel"] or block.kernel
    se = block.se if squeezed and block.se else bool(squeezed)
    return replace(block, kernel=kernel, expand=expand, out=out, squeezed=squeezed, se=se)
