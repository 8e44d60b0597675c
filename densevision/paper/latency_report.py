"""Lay out timed rows beside the paper's: tables and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from densevision.errors import UserError
from densevision.paper.latency import Pair, TimedRow
from densevision.paper.pixels import PIXELS

BASES = {3: "3.5", 6: "6.2", 7: "7.1"}  # MobileNetV2's row: what the paper compares with
_METRICS = {3: "ImageNet top-1, %", 6: "COCO mAP", 7: "Cityscapes mIOU, val"}
_TITLES = {3: "Tables 3 and 4, classification at 224", 6: "Table 6, SSDLite at 320, without NMS",
           7: "Table 7, segmentation at 1025x2049"}
_FAMILIES = (  # how a row's name begins, its family and its look
    ("V3-Small", "MobileNetV3-Small", "tab:red", "s"), ("V3", "MobileNetV3-Large", "tab:red", "o"),
    ("V2", "MobileNetV2", "tab:blue", "o"), ("V1", "MobileNetV1", "tab:gray", "o"),
    ("Mnas", "MnasNet", "tab:green", "o"), ("Proxyless", "ProxylessNAS", "tab:purple", "o"),
)


def latency_table(rows: Sequence[TimedRow], table: int) -> Table:
    """One table of the paper: our ms, the Pixels', and both as ratios to MobileNetV2's row."""
    group = [one for one in rows if one.row.table == table]
    base = next(one for one in group if one.label == BASES[table])
    printed = Table("row", "network", title=f"{_TITLES[table]}; in brackets over row {base.label}")
    for heading in ("here, ms", *(pixel for pixel in PIXELS if pixel in base.pixel_ms)):
        printed.add_column(heading, justify="right", no_wrap=True)
    for one in group:
        ours = one.timing.median_ms
        cells = [f"{ms:g} ({ms / base.pixel_ms[pixel]:.2f})" for pixel, ms in one.pixel_ms.items()]
        printed.add_row(one.label, one.name, f"{ours:.1f} ({ours / base.timing.median_ms:.2f})", *cells)
    return printed


def pair_table(found: Sequence[Pair]) -> Table:
    """What the paper claims, as ratios: ours with the middle 80 % of the rounds, and each Pixel's."""
    printed = Table("time of", "over", title="The paper's comparisons, as ratios")
    for heading in ("here", *PIXELS):
        printed.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        ours = f"{one.ours.median:.2f} ({one.ours.low:.2f}-{one.ours.high:.2f})"
        cells = [f"{one.printed[pixel]:.2f}" if pixel in one.printed else "-" for pixel in PIXELS]
        printed.add_row(f"{one.row.label} {one.row.name}", one.base.label, ours, *cells)
    return printed


def draw(rows: Sequence[TimedRow], path: Path) -> None:
    """Draw accuracy over latency, above on this machine, below on the paper's Pixel.

    Raises:
        UserError: the picture can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tables = [table for table in _TITLES if any(one.row.table == table for one in rows)]
    figure = Figure(figsize=(5.2 * len(tables), 8.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(tables), squeeze=False, sharey="col")
    for column, table in enumerate(tables):
        group = [one for one in rows if one.row.table == table]
        pixel = next(iter(group[0].pixel_ms))
        _panel(axes[0, column], group, [one.timing.median_ms for one in group], "this machine, one core")
        _panel(axes[1, column], group, [one.pixel_ms[pixel] for one in group], f"paper, {pixel}, one large core")
        axes[0, column].set_title(_TITLES[table])
        for axis in axes[:, column]:
            axis.set_ylabel(f"paper's {_METRICS[table]}")
    axes[0, 0].legend(fontsize=8)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; choose another --work-dir") from error


def _panel(axis, group: Sequence[TimedRow], times_ms: Sequence[float], where: str) -> None:
    joined = group[0].row.table != 7  # there a family's points are different heads, not sizes
    for quantized in (False, True):
        for start, family, colour, marker in _FAMILIES:
            points = sorted((ms, one.accuracy) for one, ms in zip(group, times_ms, strict=True)
                            if _family(one) == start and one.quantized == quantized)
            if points:
                face, line = ("none", ":") if quantized else (colour, "-")
                axis.plot(*zip(*points, strict=True), color=colour, marker=marker, markerfacecolor=face,
                          linestyle=line if joined else "none", label=family + (", int8" if quantized else ""))
    for one, ms in zip(group, times_ms, strict=True):
        axis.annotate(one.label, (ms, one.accuracy), textcoords="offset points", xytext=(4, 4), fontsize=7)
    axis.set(xscale="log", xlabel=f"ms, {where}")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("{x:g}")
    axis.tick_params(axis="x", which="both", labelsize=7)
    axis.grid(alpha=0.3, which="both")


def _family(one: TimedRow) -> str:
    return next(start for start, *_ in _FAMILIES if one.name.startswith(start))
