"""Figures 6, 8 and 9 of the paper as images, with what is measured on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from densevision.backbones.layers import hard_sigmoid
from densevision.paper.components import Measured
from densevision.paper.latency import TimedRow
from densevision.paper.pixels import TABLE_5
from densevision.paper.plot import Name, Place, place_names

SOFT, HARD, PALE = "#0b5fa5", "#c1272d", "#c9ced4"
_RANGE = (-8.0, 8.0)
_Point = tuple[str, float, float]  # name, ms, top-1 in percent
_RELU = "ReLU"


def plot_nonlinearities() -> Figure:
    """Plot sigmoid against hard sigmoid and swish against h-swish, as computed by our layers, as in Figure 6."""
    figure = _figure(2)
    x = torch.linspace(*_RANGE, 1601)
    panels: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
        "Gates": {"sigmoid": torch.sigmoid, "hard sigmoid, ReLU6(x + 3) / 6": hard_sigmoid},
        "Nonlinearities": {"swish, x sigmoid(x)": nn.SiLU(), "h-swish, x hard sigmoid(x)": nn.Hardswish()},
    }
    for axes, (title, curves) in zip(figure.axes, panels.items(), strict=True):
        for (name, function), color, style in zip(curves.items(), (SOFT, HARD), ("-", "--"), strict=True):
            axes.plot(x, function(x), style, color=color, linewidth=2, label=name)
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set_xlabel("x")
        axes.set_xlim(*_RANGE)
        axes.legend(frameon=False, loc="upper left")
        _open(axes)
    return figure


def plot_frontier(timed: Sequence[TimedRow]) -> Figure:
    """Plot the paper's top-1 over the time of each placement of h-swish, as in Figure 8.

    Args:
        timed: the rows of Table 5 as measured on this machine; empty for the paper's Pixel 1 alone.
    """
    figure = _figure(2 if timed else 1)
    *measured, printed = figure.axes
    panels = []
    for axes in measured:
        whole = [(one.name, one.timing.median_ms, one.accuracy) for one in timed if not one.split]
        simple = [(one.name, one.timing.median_ms, one.accuracy) for one in timed if one.split]
        panels.append((axes, _draw_frontier(axes, whole, simple)))
        axes.set_xlabel("ms on one core of this machine")
    whole = [(one.row.name, one.row.latency_ms or 0.0, one.row.accuracy) for one in TABLE_5]
    simple = [(one.row.name, one.split_ms, one.row.accuracy) for one in TABLE_5 if one.row.network["hswish_from"]]
    panels.append((printed, _draw_frontier(printed, whole, simple)))
    printed.set_xlabel("ms on one large core of Pixel 1, as printed in the paper")
    figure.axes[0].set_title(
        "V3-Large, h-swish from the layers of 16, 80 or 112 channels on", loc="left", fontweight="bold"
    )
    figure.axes[0].set_ylabel("ImageNet top-1 as printed in the paper, %")
    figure.axes[-1].legend(frameon=False, loc="lower right")
    figure.draw_without_rendering()  # fixes the layout, which the placement of names needs
    for axes, names in panels:
        for own, side in zip(names, (-1, 1), strict=True):
            place_names(axes, own, [*_places(side), *_places(-side)])
    return figure


def _places(side: int) -> list[Place]:
    """Return positions on one side of a point, above it first on the left (-1), below it first on the right (1)."""
    align = "left" if side > 0 else "right"
    return [((7 * side * reach, -5 * side * turn * reach), align) for reach in (1, 2, 3) for turn in (1, 0, -1, 2, -2)]


def _draw_frontier(axes: Axes, whole: Sequence[_Point], simple: Sequence[_Point]) -> list[list[Name]]:
    """Draw the points of both kinds of h-swish, and a line through those that no other one beats; return the names."""
    relu = [one for one in whole if one[0] == _RELU]
    names = []
    for points, color, label in ((whole, HARD, "h-swish as one operator"), (simple, SOFT, "h-swish of simple ones")):
        best = frontier([*points, *relu])
        axes.plot([ms for _, ms, _ in best], [top1 for *_, top1 in best], "-", color=color, linewidth=1.2)
        axes.plot([ms for _, ms, _ in points], [top1 for *_, top1 in points], "o", color=color, label=label)
        names.append([Name(name.removeprefix("h-swish "), ms, top1, color) for name, ms, top1 in points])
    axes.margins(0.2, 0.15)
    _open(axes)
    return names


def frontier(points: Sequence[_Point]) -> list[_Point]:
    """Return the points that no other one beats in time and accuracy, the fastest first."""
    best: list[_Point] = []
    for point in sorted(set(points), key=lambda one: (one[1], -one[2])):
        if not best or point[2] > best[-1][2]:
            best.append(point)
    return best


def plot_components(steps: Sequence[Measured]) -> Figure:
    """Plot the multiply-adds, and the time or else the parameters, as components are added, as in Figure 9."""
    times = [one.median_ms for one in steps if one.median_ms is not None]
    figure = _figure(2, sharey=True)
    left, right = figure.axes
    _draw_bars(left, [one.madds for one in steps], 1)
    left.set_xlabel("MAdds at 224x224, millions")
    if times:
        _draw_bars(right, times, 2)
        right.set_xlabel("ms on one core of this machine")
    else:
        _draw_bars(right, [one.params for one in steps], 3)
        right.set_xlabel("parameters, millions")
    left.set_yticks(range(len(steps)), [one.component.name for one in steps])
    left.invert_yaxis()
    left.set_title("V3-Large, one component after another", loc="left", fontweight="bold")
    return figure


def _draw_bars(axes: Axes, values: Sequence[float], digits: int) -> None:
    """Draw a bar per value from zero on, with the value and its difference from the one before."""
    bars = axes.barh(range(len(values)), values, height=0.6, color=[PALE] * (len(values) - 1) + [HARD])
    texts = [f"{values[0]:.{digits}f}"]
    for value, before in zip(values[1:], values, strict=False):
        change = f"{value - before:+.{digits}f}" if round(value - before, digits) else "="
        texts.append(f"{value:.{digits}f}  ({change})")
    axes.bar_label(bars, texts, padding=5)
    axes.margins(x=0.35)
    axes.set_xlim(left=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _figure(panels: int, *, sharey: bool = False) -> Figure:
    figure = Figure(figsize=(13 if panels == 2 else 8, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.subplots(1, panels, sharey=sharey)
    return figure


def _open(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
