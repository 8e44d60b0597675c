"""``densevision compare``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

_LONGEST = 48  # characters of a cell in the terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="work dir of a training or an evaluation, or its report.json"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the reports of all runs by name")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page with the tables and all curves")


def run(arguments: argparse.Namespace) -> int:
    """Print figures and config differences, a column per run."""
    from densevision.atomic import write_json, write_whole
    from densevision.errors import UserError
    from densevision.outputs import HTML, check_output
    from densevision.report.compare import compare, read_report, run_names
    from densevision.report.page import render_comparison

    if len(arguments.runs) < 2:
        raise UserError("one run has nothing to be compared with; give two or more")
    reports = [one / "report.json" if one.is_dir() else one for one in arguments.runs]
    if arguments.json:
        check_output("--json", arguments.json, others=[*reports, arguments.html])
    if arguments.html:
        check_output("--html", arguments.html, HTML, [*reports, arguments.json])
    names, contents = run_names(arguments.runs), [read_report(one) for one in arguments.runs]
    tables = compare(contents)
    for title, rows in tables.items():
        print_table(title, names, rows)
    if arguments.json:
        write_json(arguments.json, dict(zip(names, contents, strict=True)), "--json")
    if arguments.html:
        write_whole(
            arguments.html, render_comparison(names, contents, tables).encode(errors="surrogateescape"), "--html"
        )
    return 0


def print_table(title: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Print a title and aligned columns."""
    if not rows:
        print(f"{title}: none")
        return
    table = [(title, *names), *((name, *map(_short, cells)) for name, cells in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(names) + 1)]
    for first, *cells in table:
        columns = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *columns]).rstrip())
    print()


def _short(cell: str) -> str:
    cell = " ".join(cell.split())
    return cell if len(cell) <= _LONGEST else f"{cell[: _LONGEST - 3]}..."
