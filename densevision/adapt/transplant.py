"""Start a network of another structure from a network's weights: fewer and more layers, channels and kernel places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from densevision.adapt.inherit import Kept, choose, layout
from densevision.adapt.shape import FILTERS, Shape, streams, widths

Origins = Sequence[int | None]  # per block the block of the other network that it inherits from; None: a new one
_BLOCK = "backbone.blocks."


def transplant(model: Any, seed: Shape, built: Any, shape: Shape, origins: Origins) -> dict[str, Tensor]:
    """Return the weights of a network that takes over what it can from another.

    Channels are chosen by magnitude, and come first. What the other network does not have keeps its initial values,
    and the last batch norm of a new block is zero, so that the block passes its input on. A smaller kernel is the
    middle of a larger one, a larger one has zeros around it.

    Args:
        model: of shape ``seed``.
        built: of ``shape``, with initial values.
        origins: of the blocks of ``shape``.
    """
    source, axes = model.state_dict(), layout(model, seed)
    target, names = built.state_dict(), layout(built, shape)
    renamed = _channels(seed, shape, origins)
    there, here = widths(seed), widths(shape)
    wanted = {old: min(here[new], there[old]) for new, old in renamed.items() if new in here and old in there}
    kept = choose(source, axes, there | wanted)
    for name, tensor in target.items():
        old = _origin(name, origins)
        if old is None:
            if name.endswith("projection.1.weight"):
                tensor.zero_()
        elif old in source:
            channels = [None if each is None else renamed.get(each, each) for each in names.get(name, ())]
            _copy(tensor, source[old], [None if each is None else _indices(kept, each) for each in channels])
    return target


def _indices(kept: Kept, name: str) -> Tensor | None:
    if name == f"{FILTERS}+":  # as in ``narrow``; here the filters stay what they are
        return None
    return kept.get(name)


def _channels(seed: Shape, shape: Shape, origins: Origins) -> dict[str, str]:
    """Return the other network's name of each channel name."""
    found = {name: name for name in widths(shape) if not re.match(r"(out|expand|squeeze)\d", name)}
    before, after = streams(seed.spec), streams(shape.spec)
    for index, origin in enumerate(origins):
        if origin is not None:
            found |= {f"{kind}{index}": f"{kind}{origin}" for kind in ("expand", "squeeze")}
            found[after[index + 1]] = before[origin + 1]
    return found


def _origin(name: str, origins: Origins) -> str | None:
    if not name.startswith(_BLOCK):
        return name
    index, _, rest = name.removeprefix(_BLOCK).partition(".")
    origin = origins[int(index)]
    return None if origin is None else f"{_BLOCK}{origin}.{rest}"


def _copy(target: Tensor, source: Tensor, kept: Sequence[Tensor | None]) -> None:
    """Copy the channels that are kept to the beginning of the target, kernels to its middle."""
    for axis, indices in enumerate(kept):
        if indices is not None:
            source = source.index_select(axis, indices)
    if target.shape[2:] != source.shape[2:]:
        target.zero_()  # around the smaller kernel
    pairs = list(enumerate(zip(target.shape, source.shape, strict=True)))
    target[tuple(_place(axis, size, other) for axis, (size, other) in pairs)] = source[
        tuple(_place(axis, other, size) for axis, (size, other) in pairs)
    ]


def _place(axis: int, size: int, other: int) -> slice:
    common = min(size, other)
    start = (size - common) // 2 if axis >= 2 else 0
    return slice(start, start + common)
