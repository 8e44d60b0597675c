"""Plot the accuracy over the latency, on this machine and on a Pixel as printed in the paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from densevision.paper.latency import TimedRow
from densevision.paper.latency_report import TITLES
from densevision.paper.plot import STYLES, Name, draw_series, network_of, place_names, show_costs

METRICS = {3: "ImageNet top-1, %", 5: "ImageNet top-1, %", 6: "COCO mAP, %", 7: "Cityscapes mIOU, %, val"}


def plot_latency(rows: Sequence[TimedRow]) -> Figure:
    """Plot two panels per table: the paper's accuracy over our latency, and over the Pixel's.

    Hollow points are int8, or h-swish of simple operators; lines connect the widths of a network, and as in Figure 8
    the placements of h-swish.
    """
    tables = [table for table in TITLES if any(one.row.table == table for one in rows)]
    figure = Figure(figsize=(13, 4.6 * len(tables)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(tables), 2, sharey="row", squeeze=False)
    names = []
    for (left, right), table in zip(grid, tables, strict=True):
        group = [one for one in rows if one.row.table == table]
        pixel = next(iter(group[0].pixel_ms))
        left.set_title(TITLES[table], loc="left", fontweight="bold")
        left.set_ylabel(f"the paper's {METRICS[table]}")
        left.set_xlabel("ms on one core of this machine")
        right.set_xlabel(f"ms on one large core of {pixel}, as printed in the paper")
        names.append((left, _draw_panel(left, group, [one.timing.median_ms for one in group])))
        names.append((right, _draw_panel(right, group, [one.pixel_ms[pixel] for one in group])))
        left.legend(frameon=False, loc="lower right", fontsize=9)
    figure.draw_without_rendering()  # fixes the layout, which the placement of names needs
    for axes, panel_names in names:
        place_names(axes, panel_names)
    return figure


def _draw_panel(axes: Axes, group: Sequence[TimedRow], times_ms: Sequence[float]) -> list[Name]:
    series, names = defaultdict(list), []
    for one, ms in zip(group, times_ms, strict=True):
        special = "int8" if one.quantized else "h-swish split" if one.split else ""
        network = "" if one.row.table == 5 else network_of(one.row)
        series[special, one.row.family, network].append((ms, one.accuracy))
        text = one.name if one.row.table == 5 else one.label
        names.append(Name(text, ms, one.accuracy, STYLES[one.row.family][1]))
    order, by_accuracy = list(STYLES), itemgetter(1)
    for special, family, network in sorted(series, key=lambda key: (key[0], order.index(key[1]))):
        draw_series(axes, family, sorted(series[special, family, network], key=by_accuracy), special or None)
    show_costs(axes)
    return names
