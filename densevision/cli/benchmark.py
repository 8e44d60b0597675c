"""``densevision benchmark``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_json
from densevision.cli.parsing import thread_count
from densevision.errors import UserError
from densevision.outputs import JSON, check_output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from densevision.benchmark.local import FileReport
    from densevision.benchmark.phone.driver import Plan
    from densevision.benchmark.phone.hub import HubReport
    from densevision.benchmark.phone.report import PhoneReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.tflite", help="files; ratios are to the first")
    parser.add_argument("--threads", type=thread_count, default=1, help="of the runtime (default: 1)")
    parser.add_argument("--runs", type=_positive, default=50, help="rounds, each file once per round (default: 50)")
    parser.add_argument("--profile", action="store_true", help="also list the time per kind of operation")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write every figure")
    parser.add_argument(
        "--device",
        action="append",
        type=_device,
        metavar="adb[:SERIAL]|hub:NAME",
        help="time on an attached phone, or on one that Qualcomm AI Hub hosts, instead; repeat for more phones",
    )
    parser.add_argument("--binary", type=Path, metavar="PATH", help="benchmark_model for the phone's processor")
    parser.add_argument(
        "--log",
        action="append",
        type=Path,
        metavar="FILE",
        help="print what time_on_phone.sh measured; repeat for more phones",
    )
    parser.add_argument(
        "--browser", type=Path, metavar="FILE", help="also show the timings of densevision serve --json"
    )


def run(arguments: argparse.Namespace) -> int:
    """Time the files on this machine or on phones, and print a table."""
    check_options(arguments)
    if arguments.device or arguments.log:
        return _run_phones(arguments)
    return _run_here(arguments)


def check_options(arguments: argparse.Namespace) -> None:
    """Raise UserError for options that exclude each other, and for an output that can't be written."""
    if arguments.json:
        inputs = [*arguments.models, arguments.binary, arguments.browser, *(arguments.log or ())]
        check_output("--json", arguments.json, JSON, inputs)
    phone = arguments.device or arguments.log
    if phone and arguments.profile:
        raise UserError("--profile is only available on this machine; omit it for a phone")
    if phone and arguments.browser:
        raise UserError("--browser joins the table of this machine; omit --device and --log")
    if arguments.device and arguments.log:
        raise UserError("--log reads finished runs and --device starts new ones; give one of them")
    attached = any(kind == "adb" for kind, _ in arguments.device or ())
    if attached and not arguments.binary:
        raise UserError("--device adb needs --binary, TFLite's benchmark_model; docs/benchmark.md says where to get it")
    if arguments.binary and not attached:
        raise UserError("--binary is for a phone; add --device adb")


def _run_here(arguments: argparse.Namespace) -> int:
    from densevision.benchmark.browser import browser_rows, read_browser_results, row_as_dict
    from densevision.benchmark.local import benchmark, describe_machine, report_as_dict
    from densevision.benchmark.timing import check_model_file
    from densevision.cli.browser_rows import add_browser_rows, browser_lines
    from densevision.paper.pixels import printed_of_files

    for model in arguments.models:
        check_model_file(model)
    results = read_browser_results(arguments.browser) if arguments.browser else []
    browsers = browser_rows(results, arguments.models) if arguments.browser else {}
    reports = benchmark(arguments.models, threads=arguments.threads, runs=arguments.runs, profile=arguments.profile)
    printed = printed_of_files(arguments.models)
    console = _console()
    table = _time_table(reports, printed, arguments)
    add_browser_rows(table, browsers)
    console.print(table)
    for line in browser_lines(browsers):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    for report in reports if arguments.profile else ():
        console.print(_profile_table(report))
    if arguments.json:
        files = [{**report_as_dict(one), "paper_ms": figures} for one, figures in zip(reports, printed, strict=True)]
        for path, file in zip(arguments.models, files, strict=True):
            file |= {"browsers": [row_as_dict(row) for row in browsers[path]]} if browsers else {}
        write_json(arguments.json, dict(machine=describe_machine(arguments.threads), files=files), "--json")
    return 0


def _console() -> Console:
    """Return a console with the terminal's width, or wide enough for the tables in a file."""
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 100)


def _time_table(reports: Sequence[FileReport], printed: list[dict[str, float]], arguments: argparse.Namespace) -> Table:
    from rich.table import Table

    table = Table(
        title=f"{arguments.runs} rounds, {arguments.threads} thread(s), this machine",
        caption="ratio: median, and the middle 80 % of the rounds in brackets; paper: its printed ratio",
    )
    table.add_column("file", overflow="fold")
    for heading in ("MB", "median\nms", "min", "p90", "ratio", "peak\nMB"):
        table.add_column(heading, justify="right", no_wrap=True)
    pixels = sorted({pixel for one in printed for pixel in one})
    for pixel in pixels:
        table.add_column(f"paper,\n{pixel}", justify="right", no_wrap=True)
    for report, figures in zip(reports, printed, strict=True):
        timing, ratio, peak = report.timing, report.ratio, report.inspection.peak_bytes
        table.add_row(
            report.path.name,
            f"{report.path.stat().st_size / 1e6:.2f}",
            f"{timing.median_ms:.2f}",
            f"{timing.min_ms:.2f}",
            f"{timing.p90_ms:.2f}",
            f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})",
            "-" if peak is None else f"{peak / 1e6:.0f}",
            *(printed_cell(figures, printed[0], pixel) for pixel in pixels),
        )
    return table


def printed_cell(figures: dict[str, float], first: dict[str, float], pixel: str) -> str:
    """Format the paper's ms on a Pixel with their ratio to those of the first file."""
    if pixel not in figures:
        return "-"
    return f"{figures[pixel]:g}" + (f" ({figures[pixel] / first[pixel]:.2f})" if pixel in first else "")


def _profile_table(report: FileReport) -> Table:
    from rich.table import Table

    from densevision.benchmark.profile import time_by_kind

    kinds = time_by_kind(report.inspection.ops)
    total = sum(ms for _, ms in kinds.values())
    outside = [(count, ms) for (_, inside), (count, ms) in kinds.items() if not inside]
    table = Table("operation", "where", title=f"{report.path.name}, under the profiler {total:.2f} ms")
    for heading in ("count", "ms", "share"):
        table.add_column(heading, justify="right")
    for (kind, inside), (count, ms) in kinds.items():
        table.add_row(kind, "XNNPACK" if inside else "outside", str(count), f"{ms:.3f}", f"{ms / total:.1%}")
    table.caption = f"outside XNNPACK: operations {sum(n for n, _ in outside)}, ms {sum(ms for _, ms in outside):.3f}"
    return table


def _run_phones(arguments: argparse.Namespace) -> int:
    from densevision.benchmark.phone.hub import HubReport
    from densevision.benchmark.phone.report import phone_line, phone_warnings, report_as_dict

    reports: Sequence[PhoneReport | HubReport]
    reports, failures = (_read_logs(arguments), []) if arguments.log else _measure_phones(arguments)
    if reports:
        console = _console()
        console.print(_phone_table(reports, arguments.models))
        for report in reports:
            line = report.line() if isinstance(report, HubReport) else phone_line(report)
            console.print(line, soft_wrap=True, highlight=False)
        attached = [report for report in reports if not isinstance(report, HubReport)]
        for line in (line for report in attached for line in phone_warnings(report)):
            console.print(f"warning: {line}", soft_wrap=True, highlight=False)
        if arguments.json:
            content = [
                report.as_dict() if isinstance(report, HubReport) else report_as_dict(report, arguments.binary)
                for report in reports
            ]
            write_json(arguments.json, content, "--json")
    if failures:
        raise UserError("; ".join(map(str, failures)))
    return int(any(report.throttled(model) for report in reports for model in arguments.models))


def _measure_phones(arguments: argparse.Namespace) -> tuple[list[PhoneReport | HubReport], list[UserError]]:
    """Measure on each phone; a phone that fails loses no figures of the others."""
    from densevision.benchmark.phone.driver import Plan, check_binary
    from densevision.benchmark.timing import check_model_file

    for model in arguments.models:
        check_model_file(model)
    if arguments.binary:
        check_binary(arguments.binary, "")
    plan = Plan(runs=arguments.runs, threads=arguments.threads)
    reports, failures = [], []
    for kind, name in _choose_phones(arguments, plan):
        try:
            reports.append(_measure(arguments, plan, kind, name))
        except UserError as error:
            failures.append(error)
    return reports, failures


def _measure(arguments: argparse.Namespace, plan: Plan, kind: str, name: str) -> PhoneReport | HubReport:
    import sys

    from densevision.benchmark.phone.adb import Phone
    from densevision.benchmark.phone.driver import time_on_phone
    from densevision.benchmark.phone.hub import time_on_hub
    from densevision.benchmark.phone.report import PhoneReport

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    if kind == "hub":
        return time_on_hub(name, arguments.models, threads=plan.threads, runs=plan.runs, tell=tell)
    return PhoneReport(name, time_on_phone(Phone(name), arguments.binary, arguments.models, plan, tell))


def _choose_phones(arguments: argparse.Namespace, plan: Plan) -> list[tuple[str, str]]:
    from densevision.benchmark.phone.adb import NoPhoneError, choose_phone
    from densevision.benchmark.phone.script import SCRIPT_NAME, phone_script, write_script

    try:
        return [(kind, name if kind == "hub" else choose_phone(name or None)) for kind, name in arguments.device]
    except NoPhoneError as error:
        if not _may_write_script(Path(SCRIPT_NAME)):
            raise NoPhoneError(f"{error}; {SCRIPT_NAME} here is not from this command and was kept") from error
        write_script(Path(SCRIPT_NAME), phone_script(arguments.binary, arguments.models, plan))
        raise NoPhoneError(f"{error}; or run {SCRIPT_NAME}, written here, where a phone is attached") from error


def _may_write_script(path: Path) -> bool:
    if path.is_symlink() or path.exists() and not path.is_file():
        return False
    return not path.exists() or b"Written by densevision benchmark" in path.read_bytes()


def _read_logs(arguments: argparse.Namespace) -> list[PhoneReport]:
    from densevision.benchmark.phone.report import PhoneReport
    from densevision.benchmark.phone.script import read_phone_log

    return [PhoneReport(log.name, read_phone_log(log, arguments.models)) for log in arguments.log]


def _phone_table(reports: Sequence[PhoneReport | HubReport], models: list[Path]) -> Table:
    from rich.table import Table

    from densevision.paper.pixels import PIXELS, printed_of_files

    printed = printed_of_files(models)
    table = Table(title="ms (ratio to the first file)", show_lines=any(printed))
    table.add_column("file", overflow="fold")
    others = [report for report in reports if report.column not in PIXELS]
    for heading in [*PIXELS, *(report.column for report in others)]:
        table.add_column(heading, justify="right", no_wrap=True)
    for model, figures in zip(models, printed, strict=True):
        cells = []
        for pixel in PIXELS:
            lines = [_phone_cell(report, model) for report in reports if report.column == pixel]
            lines += [f"paper {printed_cell(figures, printed[0], pixel)}"] if pixel in figures else []
            cells.append("\n".join(lines) or "-")
        table.add_row(model.name, *cells, *(_phone_cell(report, model) for report in others))
    return table


def _phone_cell(report: PhoneReport | HubReport, model: Path) -> str:
    mark = "*" if report.throttled(model) else ""
    return f"{report.time_ms(model):.2f}{mark} ({report.ratio(model):.2f})"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _device(text: str) -> tuple[str, str]:
    """Return "adb" and a serial, empty for the only attached phone; or "hub" and the name of a hosted phone."""
    kind, _, name = text.partition(":")
    if kind != "adb" and not (kind == "hub" and name):
        raise argparse.ArgumentTypeError(f"{text} is none of adb, adb:SERIAL, hub:NAME")
    return kind, name
