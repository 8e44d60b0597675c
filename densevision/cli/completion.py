"""``densevision completion``: scripts for the shells, which ask this module for the candidates."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from densevision.config.find import shipped_configs

ASK = "__complete"  # what the scripts call, with the words up to the cursor
SCRIPTS = {
    "bash": """\
_densevision() {
    local IFS=$'\\n'
    COMPREPLY=($(densevision __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -o bashdefault -F _densevision densevision
""",
    "zsh": """\
_densevision() {
    local -a found
    found=("${(@f)$(densevision __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ -n $found ]] && compadd -- $found || _files
}
compdef _densevision densevision
""",
    "fish": """\
function __densevision
    densevision __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null
end
complete -c densevision -a '(__densevision)'
""",
}
_TAKES_CONFIG = {"train", "test", "export", "summary", "check", "browse"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=tuple(SCRIPTS), help="the shell to print the script for")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(SCRIPTS[arguments.shell], end="")
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """Return what the last word may become: commands, options, values, names of shipped configs.

    Args:
        words: after ``densevision``; the last one is being typed and may be empty. No candidate: the shell offers
            files.
    """
    from densevision.cli.main import COMMANDS, command_parser

    *before, current = words or [""]
    if not before:
        return [name for name in (*COMMANDS, "--help", "--version") if name.startswith(current)]
    if before[0] == "help":
        return [name for name in COMMANDS if name.startswith(current)]
    if before[0] not in COMMANDS:
        return []
    parser, last = command_parser(before[0]), before[-1]
    if current.startswith("-"):
        found = parser.options()
    elif last.startswith("-") and parser.takes_value(last):
        found = parser.choices_of(last)
    else:
        found = parser.choices_of("") + [name for name in shipped_configs() if before[0] in _TAKES_CONFIG]
    return [name for name in found if name.startswith(current)]
