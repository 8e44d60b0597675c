"""Plot the accuracy over multiply-adds and latency, as in Figures 1, 2 and 7 of the paper, with our own results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox

from densevision.paper.compare import Comparison
from densevision.paper.results import OwnResult
from densevision.paper.tables import HALF, PaperRow

# Family -> name in the legend, color, marker.
STYLES = {
    "mobilenet_v3_large": ("MobileNetV3-Large", "#c1272d", "o"),
    "mobilenet_v3_small": ("MobileNetV3-Small", "#0b5fa5", "o"),
    "mobilenet_v1": ("MobileNetV1", "#7f7f7f", "v"),
    "mobilenet_v2": ("MobileNetV2", "#4d4d4d", "s"),
    "mnasnet_a1": ("MnasNet-A1", "#2e8b57", "^"),
    "mnasnet_small": ("MnasNet-small", "#2e8b57", "v"),
    "proxylessnas_mobile": ("ProxylessNAS", "#b8860b", "D"),
    "espnet_v2": ("ESPNetv2, 512x1024", "#6a3d9a", "P"),
    "ccc2": ("CCC2, 512x1024", "#8c564b", "X"),
    "espnet_v1": ("ESPNetv1, 512x1024", "#6a3d9a", "d"),
}

Place = tuple[tuple[float, float], str]  # offset of a point's name in points, and its alignment
PLACES: list[Place] = [
    ((dx, dy), side)
    for reach in (1, 2, 3, 4)
    for dx, dy, side in (
        (7 * reach, 0, "left"),
        (-7 * reach, 0, "right"),
        (0, 10 * reach, "center"),
        (0, -10 * reach, "center"),
        (6, 8 * reach, "left"),
        (-6, 8 * reach, "right"),
        (6, -8 * reach, "left"),
        (-6, -8 * reach, "right"),
    )
]


@dataclass(frozen=True)
class Benchmark:
    """The common properties of the tables of one benchmark."""

    tables: tuple[int, ...]
    title: str
    accuracy: str
    phone: str


BENCHMARKS = (
    Benchmark((3, 9), "ImageNet", "top-1 accuracy, %", "Pixel 1"),
    Benchmark((6,), "SSDLite on COCO", "mAP, %", "Pixel 1"),
    Benchmark((7,), "Segmentation of Cityscapes, val", "mIOU, %", "Pixel 3"),
    Benchmark((8,), "Segmentation of Cityscapes, test", "mIOU, %", "Pixel 3"),
)


def plot_tables(compared: Sequence[Comparison], ours: Sequence[OwnResult]) -> Figure:
    """Plot two panels per benchmark: accuracy over MAdds, and over latency.

    Args:
        compared: the rows to show; benchmarks without a row are left out.
        ours: our own results, shown as stars at the MAdds that we count.
    """
    shown = [(benchmark, _select(benchmark, compared)) for benchmark in BENCHMARKS]
    shown = [(benchmark, rows) for benchmark, rows in shown if rows]
    figure = Figure(figsize=(13, 4.6 * len(shown)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(shown), 2, sharey="row", squeeze=False)
    for (left, right), (benchmark, rows) in zip(grid, shown, strict=True):
        left.set_title(benchmark.title, loc="left", fontweight="bold")
        left.set_ylabel(benchmark.accuracy)
        left.set_xlabel("MAdds, millions")
        right.set_xlabel(f"latency on {benchmark.phone}, ms, as printed in the paper")
        _draw_panel(left, [one.row for one in rows], attrgetter("madds"))
        _draw_panel(right, _timed(rows), _latency)
        _draw_ours(left, right, [one for one in compared if one.row.table in benchmark.tables], ours)
        left.legend(frameon=False, loc="lower right", fontsize=9)
    figure.draw_without_rendering()  # fixes the layout, which the placement of names needs
    for (left, right), (_, rows) in zip(grid, shown, strict=True):
        place_names(left, _names([one.row for one in rows], attrgetter("madds")))
        place_names(right, _names(_timed(rows), _latency))
    return figure


def _timed(rows: Sequence[Comparison]) -> list[PaperRow]:
    return [one.row for one in rows if one.row.latency_ms is not None]


def _latency(row: PaperRow) -> float:
    return row.latency_ms or 0.0


def _names(rows: Sequence[PaperRow], cost: Callable[[PaperRow], float]) -> list[Name]:
    return [Name(short_name(row), cost(row), row.accuracy, STYLES[row.family][1]) for row in rows]


def _select(benchmark: Benchmark, compared: Sequence[Comparison]) -> list[Comparison]:
    """Leave out half resolution, whose accuracy is not printed, and V3 of Table 3 if Table 9 is shown."""
    rows = [one for one in compared if one.row.table in benchmark.tables and one.row.size != HALF]
    twice = any(one.row.table == 9 for one in rows)
    return [one for one in rows if not (twice and one.row.table == 3 and "_v3_" in one.row.family)]


def _draw_panel(axes: Axes, rows: Sequence[PaperRow], cost: Callable[[PaperRow], float]) -> None:
    for series in _series(rows):
        by_resolution = len({row.size for row in series}) > 1
        points = [(cost(row), row.accuracy) for row in series]
        draw_series(axes, series[0].family, points, "by resolution" if by_resolution else None)
    show_costs(axes)


def draw_series(axes: Axes, family: str, points: Sequence[tuple[float, float]], special: str | None) -> None:
    """Connect the (cost, accuracy) points of one network in the color of its family; hollow if ``special``."""
    name, color, marker = STYLES[family]
    name += f", {special}" if special else ""
    _, named = axes.get_legend_handles_labels()
    axes.plot(
        *zip(*points, strict=True),
        marker,
        color=color,
        markersize=6,
        markerfacecolor="white" if special else color,
        linestyle=":" if special else "-",
        linewidth=1.2,
        label="_" if name in named else name,
    )


def show_costs(axes: Axes) -> None:
    """Set a logarithmic horizontal axis, with round numbers and space for names."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.margins(0.27, 0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def network_of(row: PaperRow) -> str:
    """Return a key that is equal for rows that differ only in width or input size."""
    return str({"kind": row.kind, **row.network, "width": None})


def _series(rows: Sequence[PaperRow]) -> list[list[PaperRow]]:
    """Group rows that differ only in width, and rows of width 1 that differ only in input size."""
    by_width, by_size = defaultdict(list), defaultdict(list)
    for row in rows:
        network = network_of(row)
        by_width[network, row.size].append(row)
        if row.network.get("width", 1.0) == 1.0:
            by_size[network].append(row)
    resolutions = [series for series in by_size.values() if len(series) > 1]
    drawn = {id(row) for series in resolutions for row in series}
    widths = [series for series in by_width.values() if len(series) > 1 or id(series[0]) not in drawn]
    order = list(STYLES)
    joined = sorted(widths + resolutions, key=lambda series: order.index(series[0].family))
    return [sorted(series, key=attrgetter("madds")) for series in joined]


def _draw_ours(left: Axes, right: Axes, rows: Sequence[Comparison], ours: Sequence[OwnResult]) -> None:
    counted = {(one.row.table, one.row.row): one for one in rows if one.row.size != HALF}
    for result in ours:
        one = counted.get((result.table, result.row))
        if one is None:
            continue
        _draw_star(left, one.madds, result, one.row)
        if result.latency_ms is not None:
            _draw_star(right, result.latency_ms, result, one.row)


def _draw_star(axes: Axes, cost: float, result: OwnResult, row: PaperRow) -> None:
    label = f"ours{f' on {result.data}' if result.data else ''}: {row.name}"
    (star,) = axes.plot([cost], [result.accuracy], "*", color=STYLES[row.family][1], label=label)
    star.set(markersize=15, markeredgecolor="black", zorder=3)


@dataclass(frozen=True)
class Name:
    """The name of the point (x, y)."""

    text: str
    x: float
    y: float
    color: str


def place_names(axes: Axes, names: Sequence[Name], places: Sequence[Place] = PLACES) -> None:
    """Write the name of every point next to it, away from points, lines and other names; needs a fixed layout.

    Args:
        places: possible positions in order of preference; a name without a free one gets the last.
    """
    taken = [*_drawn(axes), *(text.get_window_extent() for text in axes.texts)]
    for name in sorted(names, key=lambda name: -name.y):
        for number, (offset, side) in enumerate(places, 1):
            text = axes.annotate(
                name.text,
                (name.x, name.y),
                offset,
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
                color=name.color,
            )
            box = text.get_window_extent()
            if not box.count_overlaps(taken) and axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1:
                break
            if number < len(places):
                text.remove()
        taken.append(box)


def _drawn(axes: Axes) -> list[Bbox]:
    """Return small boxes in pixels that cover the points and the lines between them."""
    boxes = []
    for line in axes.lines:
        points = axes.transData.transform(line.get_xydata())
        boxes += [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in points]
        for start, end in pairwise(points):
            steps = np.linspace(start, end, 60)
            boxes += [Bbox.from_bounds(x - 1, y - 1, 2, 2) for x, y in steps]
    return boxes


def short_name(row: PaperRow) -> str:
    """Return the resolution or width for a row of Table 9, else the printed name."""
    if row.table != 9:
        return row.name.removesuffix(", full")
    return row.name.split("/")[1] if row.size == (224, 224) else str(row.size[0])
