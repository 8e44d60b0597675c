"""``densevision paper``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

TABLES = (3, 6, 7, 8, 9)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--table", type=int, choices=TABLES, help="only this table")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the rows as a list of objects")
    parser.add_argument("--latency", action="store_true",
                        help="export the rows of Tables 3, 4, 6 and 7 and time them on this machine's one core")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/paper_latency"), metavar="DIR",
                        help="--latency: the exported files, reused, and the picture (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Print our counts beside the printed ones; 1 where a row is off by more than its bound."""
    if arguments.latency:
        return run_latency(arguments)
    from rich.console import Console
    from rich.table import Table

    from densevision.paper.compare import compare
    from densevision.paper.tables import TABLES as PRINTED

    console, compared = Console(), []
    for number in [arguments.table] if arguments.table else TABLES:
        table = Table("row", "network", "params M", "paper", "diff", "MAdds M", "paper", "diff", "", "note",
                      title=f"Table {number}")
        for row in PRINTED[number]:
            compared.append(compare(row))
            table.add_row(*cells(compared[-1]))
        console.print(table)
    if arguments.json:
        _write(arguments.json, [as_dict(one) for one in compared])
    return 0 if all(one.params_agree and one.madds_agree for one in compared) else 1


def run_latency(arguments: argparse.Namespace) -> int:
    """Print our times and the Pixels', draw them over the accuracy."""
    import sys

    from rich.console import Console

    from densevision.errors import UserError
    from densevision.paper import latency, latency_report

    tables = [arguments.table] if arguments.table else list(latency.RUNS)
    if not set(tables) <= latency.RUNS.keys():
        raise UserError(f"--latency has no Table {arguments.table}; it times 3 (with 4), 6 and 7")

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    rows = latency.rows_to_time(tables)
    latency.export_rows(rows, arguments.work_dir, tell)
    timed = latency.time_rows(rows, arguments.work_dir, tell)
    console = Console()
    for table in tables:
        console.print(latency_report.latency_table(timed, table))
    console.print(latency_report.pair_table(latency.pairs(timed)))
    picture = arguments.work_dir / "latency.png"
    latency_report.draw(timed, picture)
    console.print(f"the picture is {picture}", soft_wrap=True)
    if arguments.json:
        _write(arguments.json, [latency.as_dict(one) for one in timed])
    return 0


def cells(one) -> list[str]:
    """Lay out a comparison as the cells of a table's row."""
    row = one.row
    params = ["-", "-"] if row.params is None else [f"{row.params:g}", f"{one.params / row.params - 1:+.1%}"]
    mark = "ok" if one.params_agree and one.madds_agree else "OFF"
    difference = f"{one.madds / row.madds - 1:+.1%}"
    return [str(row.row), row.name, f"{one.params:.3f}", *params, f"{one.madds:.1f}", f"{row.madds:g}", difference,
            mark, row.note]


def as_dict(one) -> dict[str, object]:
    """Return a comparison as plain data; params and MAdds in millions."""
    row = one.row
    return dict(table=row.table, row=row.row, name=row.name, size=row.size, params=one.params,
                paper_params=row.params, madds=one.madds, paper_madds=row.madds,
                agrees=one.params_agree and one.madds_agree, note=row.note)


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    from densevision.errors import UserError

    try:
        path.write_text(json.dumps(rows, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"--json {path}: {error.strerror}; give a file in an existing folder") from error
