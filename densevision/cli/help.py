"""``densevision help``."""

from __future__ import annotations

import argparse

from densevision.errors import UserError, did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="show the options of this command")


def run(arguments: argparse.Namespace) -> int:
    """Print the help of a command, or the list of commands."""
    from densevision.cli.main import COMMANDS, command_parser, main_parser

    name = arguments.command
    if name is not None and name not in COMMANDS:
        near = did_you_mean(name, COMMANDS)
        raise UserError(f"no command {name!r}; {near or 'densevision help lists the commands'}")
    (command_parser(name) if name else main_parser()).print_help()
    return 0
