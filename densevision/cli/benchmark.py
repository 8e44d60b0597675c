"""``densevision benchmark``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.tflite", help="files; ratios are to the first")
    parser.add_argument("--threads", type=_positive, default=1, help="of the runtime (default: 1)")
    parser.add_argument("--runs", type=_positive, default=50, help="rounds, each file once a round (default: 50)")
    parser.add_argument("--profile", action="store_true", help="also list the time by kind of operation")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write every figure")


def run(arguments: argparse.Namespace) -> int:
    """Time the files and print a table."""
    from densevision.deploy.benchmark import as_dict, benchmark, describe_machine

    check_output(arguments.json)
    reports = benchmark(arguments.models, threads=arguments.threads, runs=arguments.runs, profile=arguments.profile)
    _print_tables(reports, arguments)
    if arguments.json:
        machine = describe_machine(arguments.threads)
        write_json(arguments.json, dict(machine=machine, files=[as_dict(report) for report in reports]))
    return 0


def _print_tables(reports, arguments: argparse.Namespace) -> None:
    from rich.console import Console

    console = Console()
    console.print(_time_table(reports, arguments))
    for report in reports if arguments.profile else ():
        console.print(_profile_table(report))


def _time_table(reports, arguments: argparse.Namespace):
    from rich.table import Table

    table = Table(title=f"{arguments.runs} rounds, {arguments.threads} thread(s), this machine",
                  caption="ratio: to the first file, median of rounds (80 % of them)")
    table.add_column("file", overflow="fold")
    for heading in ("MB", "median ms", "min", "p90", "ratio", "peak MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for report in reports:
        timing, ratio, peak = report.timing, report.ratio, report.inspection.peak_bytes
        table.add_row(
            report.path.name, f"{report.path.stat().st_size / 1e6:.2f}", f"{timing.median_ms:.2f}",
            f"{timing.min_ms:.2f}", f"{timing.p90_ms:.2f}",
            f"{ratio.median:.3f} ({ratio.low:.2f}-{ratio.high:.2f})", "-" if peak is None else f"{peak / 1e6:.1f}",
        )
    return table


def _profile_table(report):
    from rich.table import Table

    from densevision.deploy.op_profile import time_by_kind

    kinds = time_by_kind(report.inspection.ops)
    total = sum(ms for _, ms in kinds.values())
    outside = [(count, ms) for (_, inside), (count, ms) in kinds.items() if not inside]
    table = Table("operation", "where", title=f"{report.path.name}, under the profiler {total:.2f} ms")
    for heading in ("count", "ms", "share"):
        table.add_column(heading, justify="right")
    for (kind, inside), (count, ms) in kinds.items():
        table.add_row(kind, "XNNPACK" if inside else "outside", str(count), f"{ms:.3f}", f"{ms / total:.1%}")
    table.caption = f"outside XNNPACK: {sum(n for n, _ in outside)} operations, {sum(ms for _, ms in outside):.3f} ms"
    return table


def check_output(path: Path | None) -> None:
    """Raise UserError where a file can't be written, before the work and not after it."""
    from densevision.errors import UserError

    if path and not path.parent.is_dir():
        raise UserError(f"--json {path}: there is no folder {path.parent}; make it first")


def write_json(path: Path, content: object) -> None:
    """Write plain data."""
    from densevision.errors import UserError

    try:
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"--json {path}: {error.strerror}; give a file in an existing folder") from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number
