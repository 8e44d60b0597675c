"""The figures and the components of ``densevision paper``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_json
from densevision.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from densevision.paper.components import Measured
    from densevision.paper.latency import TimedRow
    from densevision.paper.results import OwnResult

FIGURES = (6, 8, 9)


def check_options(arguments: argparse.Namespace) -> None:
    """Check the combination of ``--figure`` and ``--components`` with other options.

    Raises:
        UserError: an option would have no effect, or one is missing.
    """
    chosen = f"--figure {arguments.figure}" if arguments.figure else "--components"
    for option in ("table", "ours"):
        if getattr(arguments, option) is not None:
            raise UserError(f"{chosen}: --{option} has no effect on it; omit one of them")
    if arguments.figure and arguments.components:
        raise UserError("--figure and --components: give one of them; --figure 9 draws the components")
    if arguments.figure and not arguments.plot:
        raise UserError(f"{chosen}: the figure is drawn by --plot; give --plot OUT.png too")
    if arguments.components and arguments.plot:
        raise UserError("--components: --plot draws them as --figure 9 --plot OUT.png; omit one of them")
    if arguments.figure and arguments.json:
        raise UserError(f"{chosen}: --json has no effect on it; --components and --table have rows to write")
    if arguments.figure == 6 and arguments.latency:
        raise UserError("--figure 6: these are functions without a time; omit --latency")


def run_components(arguments: argparse.Namespace) -> int:
    """Print the stems of section 5.1 and the components of Figure 9, with times where asked for."""
    from rich.console import Console

    from densevision.paper.components import STEM_STATEMENT, measure_components

    stems, steps = measure_components(_folder(arguments), _tell)
    console = Console()
    console.print(component_table("Stem of V3-Large, section 5.1", stems))
    console.print(STEM_STATEMENT)
    console.print(component_table("Components of V3-Large, one after another, Figure 9", steps))
    if arguments.json:
        write_json(arguments.json, [as_dict(one) for one in (*stems, *steps)], "--json")
    return 0


def run_figure(arguments: argparse.Namespace) -> int:
    """Draw Figure 6, 8 or 9."""
    figure = _draw(arguments)
    try:
        figure.savefig(arguments.plot)
    except OSError as error:
        raise UserError(f"--plot {arguments.plot}: {error.strerror}; give another file") from error
    print(f"wrote {arguments.plot}")
    return 0


def _draw(arguments: argparse.Namespace) -> Figure:
    from densevision.paper import figures
    from densevision.paper.components import measure_components

    if arguments.figure == 6:
        return figures.plot_nonlinearities()
    if arguments.figure == 8:
        return figures.plot_frontier(_time_table_5(arguments.work_dir) if arguments.latency else [])
    return figures.plot_components(measure_components(_folder(arguments), _tell)[1])


def _time_table_5(folder: Path) -> Sequence[TimedRow]:
    from densevision.paper import latency

    rows = latency.rows_to_time([5])
    latency.export_rows(rows, folder, _tell)
    return latency.time_rows(rows, folder, _tell)


def component_table(title: str, measured: Sequence[Measured]) -> Table:
    """Format networks, at most 80 columns wide."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("network", no_wrap=True)
    timed = any(one.timing for one in measured)
    for heading in ("params, M", "MAdds, M", *(["here, ms"] if timed else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in measured:
        times = [] if one.median_ms is None else [f"{one.median_ms:.2f}"]
        table.add_row(one.component.name, f"{one.params:.3f}", f"{one.madds:.1f}", *times)
    return table


def accuracy_table(number: int, ours: Sequence[OwnResult]) -> Table:
    """Format our accuracies next to the printed ones of a table."""
    from rich import box
    from rich.table import Table

    from densevision.paper.tables import TABLES

    data = next((one.data for one in ours if one.data), "")
    title = f"Accuracy, %: ours {f'on {data}, ' if data else ''}next to the paper's"
    table = Table("row", "network", title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("ours", "paper"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in sorted(ours, key=lambda one: one.row):
        row = next(row for row in TABLES[number] if row.row == one.row)
        table.add_row(str(row.row), row.name, f"{one.accuracy:.1f}", f"{row.accuracy:g}")
    return table


def as_dict(one: Measured) -> dict[str, object]:
    """Return a network as plain data; params and MAdds are in millions."""
    times = {} if one.timing is None else dict(median_ms=one.timing.median_ms, times_ms=one.timing.times_ms.tolist())
    return dict(name=one.component.name, params=one.params, madds=one.madds, **times)


def _folder(arguments: argparse.Namespace) -> Path | None:
    return Path(arguments.work_dir) if arguments.latency else None


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
