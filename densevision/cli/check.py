"""``densevision check``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="CONFIG|DATA", help="a config, by path or name, or a folder with images and labels"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write all findings, with all file names")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")


def run(arguments: argparse.Namespace) -> int:
    """Read all images and labels, and print the findings; 1 if training would stop."""
    from densevision.atomic import write_json
    from densevision.inspection.doctor import inspect_source
    from densevision.inspection.source import open_source
    from densevision.inspection.text import report_lines
    from densevision.outputs import check_output

    if arguments.json:
        check_output("--json", arguments.json, makes_folder=True)
    found = inspect_source(open_source(arguments.source, arguments.cfg_options))
    for line in report_lines(found, min(80, shutil.get_terminal_size((80, 24)).columns)):
        print(line)
    if arguments.json:
        write_json(arguments.json, found.to_dict(), "--json")
    return 1 if found.stops_training else 0
