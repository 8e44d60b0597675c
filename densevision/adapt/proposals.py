"""The ways to narrow a network by one step, as pure functions on its shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from densevision.adapt.shape import FILTERS, LAST, Shape, extra, inner, squeeze, streams, widths, with_widths
from densevision.backbones.spec import make_divisible

MULTIPLE = 8  # of every proposed width, and the smallest
_NOTCH = 16  # channels that one step may always take from a layer
_SHARE = 0.25  # of a layer that one step may take
UNIFORM = "uniform"


@dataclass(frozen=True)
class Proposal:
    """A narrower network.

    Attributes:
        name: what is narrowed, "block 4 expansion".
        shape: its channels.
        latency_ms: predicted, of the whole file.
    """

    name: str
    shape: Shape
    latency_ms: float


def parts(shape: Shape) -> dict[str, tuple[str, ...]]:
    """Return what can be narrowed: the proposal's name -> names of ``widths`` that shrink together.

    These are the expansions, the outputs that residuals tie, the last convolution, each extra map, and the head.
    """
    spec, names = shape.spec, streams(shape.spec)
    found: dict[str, tuple[str, ...]] = {}
    members: dict[str, list[str]] = {}
    for index, name in enumerate(names):
        members.setdefault(name, []).append("stem" if index == 0 else f"{index - 1}")
    for index, block in enumerate(spec.blocks):
        if block.expansion:
            found[f"block {index} expansion"] = (inner(spec, index),)
    for name, blocks in members.items():
        found[f"output of {_blocks(blocks)}"] = (name,)
    found |= {"last convolution": (LAST,)} if spec.last else {}
    found |= {f"extra map {index}": extra(index) for index in range(len(shape.extras))}
    return found | ({"head": (FILTERS,)} if shape.filters else {})


def _blocks(members: list[str]) -> str:
    if members == ["stem"]:
        return "stem"
    numbers = [member for member in members if member != "stem"]
    span = f"block {numbers[0]}" if len(numbers) == 1 else f"blocks {numbers[0]}-{numbers[-1]}"
    return f"stem and {span}" if "stem" in members else span


def narrower(shape: Shape, new: Mapping[str, int]) -> Shape:
    """Return a shape with fewer channels; the gates' inner channels follow their blocks by the paper's rule."""
    narrowed = with_widths(shape, new)
    follow = {
        squeeze(index): min(block.squeezed, make_divisible(block.expand / 4))
        for index, block in enumerate(narrowed.spec.blocks)
        if block.squeezed
    }
    return with_widths(narrowed, follow)


def ladder(shape: Shape, names: tuple[str, ...]) -> Iterator[Shape]:
    """Yield the shapes that one step may narrow these channels to, the widest first.

    All widths are multiples of 8. A step takes at most a quarter of a layer, or 16 channels where that is more.
    """
    before = widths(shape)
    last = {name: before[name] for name in names}
    most = max(_notches(before[name]) for name in names)
    for notch in range(1, 1 + most):
        new = {name: _down(before[name], notch / most * _notches(before[name]) * MULTIPLE) for name in names}
        if new != last:
            last = new
            yield narrower(shape, new)


def _notches(width: int) -> int:
    return max(_NOTCH // MULTIPLE, -int(-_SHARE * width // MULTIPLE))


def _down(width: int, by: float) -> int:
    lower = int(width - by + MULTIPLE - 1) // MULTIPLE * MULTIPLE
    return width if width <= MULTIPLE else max(MULTIPLE, min(lower, width))


def uniform(shape: Shape, percents: Iterable[int] = range(98, 48, -2)) -> Iterator[Shape]:
    """Yield the shape with all channels times 0.98, 0.96, ... 0.5, in multiples of 8, as a width multiplier does.

    Args:
        percents: the factors, the largest first.
    """
    before, previous = widths(shape), shape
    tied = {name for names in parts(shape).values() for name in names}
    for percent in percents:
        new = {name: min(before[name], make_divisible(before[name] * percent / 100)) for name in tied}
        found = narrower(shape, new)
        if found != previous:
            previous = found
            yield found


def smallest(shape: Shape) -> Shape:
    """Return the shape with every width at its minimum."""
    tied = {name for names in parts(shape).values() for name in names}
    return narrower(shape, {name: min(width, MULTIPLE) for name, width in widths(shape).items() if name in tied})


def candidates(shape: Shape) -> Iterator[Shape]:
    """Yield every shape that ``propose`` may ask the latency of."""
    for names in parts(shape).values():
        yield from ladder(shape, names)
    yield from uniform(shape)


def propose(shape: Shape, latency: Callable[[Shape], float], saving_ms: float) -> list[Proposal]:
    """Narrow each part until the network is faster by ``saving_ms``, and leave out the parts that can't be.

    Latency is a staircase in the channels: the widest of the widths that save enough is at the lower edge of a step.

    Args:
        latency: of a shape, in ms.
    """
    most = latency(shape) - saving_ms
    found = []
    rungs = {name: ladder(shape, names) for name, names in parts(shape).items()} | {UNIFORM: uniform(shape)}
    for name, shapes in rungs.items():
        enough = next(((each, latency(each)) for each in shapes if latency(each) <= most), None)
        if enough is not None:
            found.append(Proposal(name, *enough))
    return found
