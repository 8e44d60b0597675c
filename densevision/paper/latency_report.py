"""Format our latencies next to the paper's."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from densevision.paper.latency import Pair, TimedRow
from densevision.paper.pixels import PIXELS

BASE_ROWS = {3: "3.5", 4: "3.5", 5: "5.1", 6: "6.2", 7: "7.1"}  # of the ratios: V2, and in Table 5 the paper's V3
TITLES = {
    3: "Tables 3 and 4, classification at 224",
    4: "Table 4, int8 classifiers at 224",
    5: "Table 5, nonlinearities of V3-Large at 224",
    6: "Table 6, SSDLite at 320, without NMS",
    7: "Table 7, segmentation at 1025x2049",
}


def latency_table(rows: Sequence[TimedRow], table: int) -> Table:
    """Format one table of the paper: our ms and the Pixels', in parentheses their ratios to the base row."""
    group = [one for one in rows if one.row.table == (3 if table == 4 else table)]
    base = next(one for one in group if one.label == BASE_ROWS[table])
    printed = Table("row", "network", title=f"{TITLES[table]}; in parentheses the ratio to row {base.label}")
    for heading in ("ours, ms", *(pixel for pixel in PIXELS if pixel in base.pixel_ms)):
        printed.add_column(heading, justify="right", no_wrap=True)
    for one in group:
        ours = one.timing.median_ms
        cells = [f"{ms:g} ({ms / base.pixel_ms[pixel]:.2f})" for pixel, ms in one.pixel_ms.items()]
        printed.add_row(one.label, one.name, f"{ours:.1f} ({ours / base.timing.median_ms:.2f})", *cells)
    return printed


def pair_table(found: Sequence[Pair]) -> Table:
    """Format the paper's comparisons as ratios: ours with the middle 80 % of the rounds, and each Pixel's."""
    printed = Table("time of", "over", title="The paper's comparisons, as ratios")
    for heading in ("ours", *PIXELS):
        printed.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        ours = f"{one.ours.median:.2f} ({one.ours.low:.2f}-{one.ours.high:.2f})"
        cells = [f"{one.printed[pixel]:.2f}" if pixel in one.printed else "-" for pixel in PIXELS]
        printed.add_row(f"{one.row.label} {one.row.name}", one.base.label, ours, *cells)
    return printed
