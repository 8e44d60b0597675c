"""``densevision configs``."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from densevision.atomic import write_json
from densevision.config.find import shipped_configs
from densevision.errors import UserError, did_you_mean
from densevision.outputs import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "word", nargs="?", default="", metavar="WORD", help="list only configs with this in name, task or description"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the list: name, task, description, file")


def run(arguments: argparse.Namespace) -> None:
    """Print the names of the shipped configs, each with its task, network, input and data set.

    Raises:
        UserError: no config has the word.
    """
    if arguments.json:
        check_output("--json", arguments.json)
    rows = [(path.parent.name, name, first_line(path)) for name, path in shipped_configs().items()]
    word = arguments.word.lower()
    found = [row for row in rows if any(word in text.lower() for text in row)]
    if not found:
        near = did_you_mean(arguments.word, (name for _, name, _ in rows))
        raise UserError(f"no config has {arguments.word!r} in its name or description; {near or 'try coco or camvid'}")
    if arguments.json:
        files = shipped_configs()
        listed = [dict(name=n, task=t, description=line, file=str(files[n])) for t, n, line in found]
        write_json(arguments.json, listed, "--json")
    for task in dict.fromkeys(task for task, _, _ in found):
        print(task, *(f"  {name}\n      {line}" for kind, name, line in found if kind == task), sep="\n")
    print("\nEach name stands for its file: densevision train NAME, densevision summary NAME.")


def first_line(path: Path) -> str:
    """Return the first line of a config's docstring, without running the config."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
