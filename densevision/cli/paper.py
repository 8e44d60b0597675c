"""``densevision paper``."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_json
from densevision.cli import paper_figures
from densevision.errors import UserError
from densevision.outputs import JSON, PNG, check_output

if TYPE_CHECKING:
    from rich.table import Table

    from densevision.paper.compare import Comparison

TABLES = (3, 6, 7, 8, 9)  # with counts
TIMED_ONLY = (4, 5)
LATENCY_PLOT = "latency.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--table", type=int, choices=sorted(TABLES + TIMED_ONLY), help="only this table; 4 and 5 with --latency"
    )
    parser.add_argument(
        "--figure",
        type=int,
        choices=paper_figures.FIGURES,
        help="draw this figure with --plot; 8 and 9 with --latency too",
    )
    parser.add_argument(
        "--components", action="store_true", help="stems and components of V3-Large (section 5.1, Figure 9)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the rows as a list of objects")
    parser.add_argument("--plot", type=Path, metavar="OUT", help="also draw accuracy against MAdds and latency")
    parser.add_argument(
        "--ours",
        type=Path,
        nargs="+",
        metavar="RUN|FILE",
        help="work dirs of classifiers, or json lists of table, row, accuracy: print them, and draw them as stars",
    )
    parser.add_argument(
        "--latency",
        action="store_true",
        help="export the rows of Tables 3 to 7, or the networks of a figure, and time them on one core of this machine",
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        default=Path("work_dirs/paper_latency"),
        metavar="DIR",
        help="--latency: the exported files, reused, and the plot (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print our counts next to the paper's; return 1 if a row deviates without a documented reason."""
    check_outputs(arguments)
    if arguments.figure:
        return paper_figures.run_figure(arguments)
    if arguments.components:
        return paper_figures.run_components(arguments)
    if arguments.latency:
        return run_latency(arguments)
    from rich.console import Console

    from densevision.paper.compare import DOCUMENTED, MISMATCH, OK, compare_row
    from densevision.paper.results import read_own
    from densevision.paper.tables import TABLES as PRINTED

    ours = read_own(arguments.ours or [])
    console, compared = Console(), []
    for number in [arguments.table] if arguments.table else TABLES:
        rows = [compare_row(row) for row in PRINTED[number]]
        console.print(comparison_table(number, rows))
        for one in rows:
            if one.verdict == DOCUMENTED:
                console.print(f"  row {one.row.row}, {one.row.name}: {one.row.note}")
        if own := [result for result in ours if result.table == number]:
            console.print(paper_figures.accuracy_table(number, own))
        compared += rows
    count = Counter(one.verdict for one in compared)
    console.print(
        f"{count[OK]} rows within the tolerances, {count[DOCUMENTED]} documented deviations, "
        f"{count[MISMATCH]} mismatches"
    )
    if arguments.json:
        write_json(arguments.json, [comparison_as_dict(one) for one in compared], "--json")
    if arguments.plot:
        from densevision.paper.plot import plot_tables

        plot_tables(compared, ours).savefig(arguments.plot)
    return 1 if count[MISMATCH] else 0


def run_latency(arguments: argparse.Namespace) -> int:
    """Print our times next to the Pixels', and draw the accuracy over them."""
    import sys

    from rich.console import Console

    from densevision.paper import latency, latency_plot, latency_report

    tables = [arguments.table] if arguments.table else list(latency.RUNS)
    if not set(tables) <= {4, *latency.RUNS}:
        raise UserError(f"--latency has no Table {arguments.table}; it times 3 (with 4), 4, 5, 6 and 7")

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    rows = latency.rows_to_time(tables)
    latency.export_rows(rows, arguments.work_dir, tell)
    timed = latency.time_rows(rows, arguments.work_dir, tell)
    console = Console()
    for table in tables:
        console.print(latency_report.latency_table(timed, table))
    console.print(latency_report.pair_table(latency.compare_pairs(timed)))
    plot = arguments.work_dir / LATENCY_PLOT
    try:
        latency_plot.plot_latency(timed).savefig(plot)
    except OSError as error:
        raise UserError(f"{plot}: {error.strerror}; choose another --work-dir") from error
    console.print(f"the plot is {plot}", soft_wrap=True)
    if arguments.json:
        write_json(arguments.json, [one.to_dict() for one in timed], "--json")
    return 0


def comparison_table(number: int, rows: Sequence[Comparison]) -> Table:
    """Format the comparisons of one table, at most 80 columns wide."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"Table {number}: parameters and MAdds in millions",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("row", justify="right")
    table.add_column("network", no_wrap=True)
    for heading in ("params", "paper", "diff", "MAdds", "paper", "diff"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in rows:
        table.add_row(*_table_row(one))
    return table


_MARKS = {"ok": "ok", "documented": "note", "mismatch": "OFF"}  # the table is 80 columns wide


def _table_row(one: Comparison) -> list[str]:
    row = one.row
    params = ["-", "-"] if row.params is None else [f"{row.params:g}", f"{one.params / row.params - 1:+.1%}"]
    counted = f"{one.madds:.1f}" if one.madds < 1000 else f"{one.madds:.0f}"
    madds = [counted, f"{row.madds:g}", f"{one.madds / row.madds - 1:+.1%}"]
    return [str(row.row), row.name, f"{one.params:.3f}", *params, *madds, _MARKS[one.verdict]]


def comparison_as_dict(one: Comparison) -> dict[str, object]:
    """Return a comparison as plain data; params and MAdds are in millions."""
    row = one.row
    return dict(
        table=row.table,
        row=row.row,
        name=row.name,
        size=row.size,
        params=one.params,
        paper_params=row.params,
        madds=one.madds,
        paper_madds=row.madds,
        verdict=one.verdict,
        note=row.note,
    )


def check_outputs(arguments: argparse.Namespace) -> None:
    """Check the outputs and the combination of options before the counting.

    Raises:
        UserError: a file can't be written, a plot is not a .png, or an option would have no effect.
    """
    if arguments.json:
        check_output("--json", arguments.json, JSON, [arguments.plot, *(arguments.ours or [])])
    if arguments.plot:
        check_output("--plot", arguments.plot, PNG, arguments.ours or [])
    if arguments.latency:
        check_output("--work-dir", arguments.work_dir / LATENCY_PLOT, PNG, [arguments.json], makes_folder=True)
    if arguments.plot and arguments.plot.suffix != ".png":
        raise UserError(f"--plot {arguments.plot}: the plot is a .png file; give a name with this suffix")
    if arguments.figure or arguments.components:
        paper_figures.check_options(arguments)
        return
    if arguments.table in TIMED_ONLY and not arguments.latency:
        raise UserError(f"--table {arguments.table}: the paper prints no counts in this table; give --latency too")
    if arguments.plot and arguments.latency:
        raise UserError(f"--plot {arguments.plot}: --latency draws its own plot in --work-dir; omit --plot")
    if arguments.ours and arguments.latency:
        raise UserError("--ours has no effect with --latency; omit one of them")
