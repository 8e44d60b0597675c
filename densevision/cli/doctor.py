"""``densevision doctor``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from densevision.atomic import write_json
from densevision.outputs import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the findings as json")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 if something needed is broken."""
    from densevision.environment import diagnose

    if arguments.json:
        check_output("--json", arguments.json)
    found = diagnose()
    for one in found:
        mark = "!!" if one.broken else "->" if one.remedy else "ok"
        print(f"{mark} {one.name:17} {one.value}")
        if one.remedy:
            print(f"{'':20} {one.remedy}")
    broken = [one.name for one in found if one.broken]
    advice = [one.name for one in found if one.remedy and not one.broken]
    print("\nbroken: " + ", ".join(broken) if broken else "\nnothing needed is broken")
    if advice:
        print(f"to look at: {', '.join(advice)}")
    if arguments.json:
        write_json(arguments.json, dict(findings=[dataclasses.asdict(one) for one in found], ok=not broken), "--json")
    return 1 if broken else 0
