"""``densevision check``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="CONFIG|DATA", help="a config, by path or name, or a folder of images and labels"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write all findings, with the names of all files")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change values of the config")


def run(arguments: argparse.Namespace) -> int:
    """Read all data, and print what is wrong with them; returns 1 if a training would stop."""
    from rich.console import Console

    from densevision.atomic import write_json
    from densevision.console import Display
    from densevision.inspection.inspect import inspect
    from densevision.inspection.source import open_source
    from densevision.inspection.text import report_lines
    from densevision.outputs import check_output

    if arguments.json is not None:
        check_output("--json", arguments.json)
    source = open_source(arguments.source, arguments.cfg_options)
    with Display(Console(stderr=True)) as display:
        shown = ""

        def advance(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown:
                display.start(what, total)
                shown = what
            if display.live:
                display.advance(done)

        inspection = inspect(source, advance)
    for line in report_lines(inspection):
        print(line)
    if arguments.json is not None:
        write_json(arguments.json, inspection.to_dict(), "--json")
    return int(inspection.stops_training)
