"""The parser of one command: options that take several words, near names, examples, the same flags everywhere."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from densevision.config.find import shipped_configs
from densevision.errors import did_you_mean

_FILES = (".py", ".pth", ".tflite", ".json", ".yaml", ".jpg", ".png", ".mp4")  # endings of what a command reads
_MOST_THREADS = 256  # the runtime starts as many as it is given


def thread_count(text: str) -> int:
    """Read ``--threads`` of the runtime."""
    number = int(text)
    if not 1 <= number <= _MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1 to {_MOST_THREADS}")
    return number


class CommandParser(argparse.ArgumentParser):
    """A parser whose options that take several words leave the files that follow to the positional arguments.

    Args:
        prog: ``densevision train``.
        description: one line.
        examples: command lines, shown below the options.
    """

    def __init__(self, prog: str, description: str, examples: Sequence[str] = ()):
        lines = "\n".join(f"  {example}" for example in examples)
        super().__init__(
            prog,
            description=textwrap.fill(f"{description[0].upper()}{description[1:]}.", 78),
            epilog=f"examples:\n{lines}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Declare an argument; an option that takes several words may be given more than once."""
        if str(names[0]).startswith("-") and settings.get("nargs") == "+":
            settings.setdefault("action", "extend")
        return super().add_argument(*names, **settings)

    def parse_command(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words after the command's name, options and positional arguments in any order."""
        parsed, unknown = self.parse_known_intermixed_args(list(self._spread(words)))
        if unknown:
            self._refuse_value(words)
            self._refuse(unknown)
        return parsed

    def options(self) -> list[str]:
        """List the options that the help shows."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [name for action in shown for name in action.option_strings]

    def choices_of(self, option: str) -> list[str]:
        """List the values of an option, or of the positional arguments if it is empty, where only some are valid."""
        found = [action for action in self._actions if option in (action.option_strings or [""])]
        return [str(value) for action in found for value in action.choices or ()]

    def takes_value(self, option: str) -> bool:
        """Whether a word after an option belongs to it."""
        return any(option in action.option_strings and action.nargs != 0 for action in self._actions)

    def _refuse_value(self, words: Sequence[str]) -> None:
        """Name the option whose value may be left out, and that is followed by what is neither a value nor a file."""
        for option, word in zip(words, words[1:], strict=False):
            choices = self._optional().get(option, ())
            if choices and word not in choices and not word.startswith("-") and not _is_file(word):
                self.error(f"{option} {word}: choose from {', '.join(choices)}")

    def _optional(self) -> dict[str, list[str]]:
        """Return the options whose value may be left out, with their values."""
        found = [action for action in self._actions if action.nargs == "?" and action.choices]
        return {name: [str(one) for one in action.choices or ()] for action in found for name in action.option_strings}

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            self.error(f"can't use {' '.join(unknown)}; {self.prog} --help shows what it takes")
        name = option.partition("=")[0]
        self.error(f"no option {name}; {did_you_mean(name, self.options()) or f'{self.prog} --help lists them'}")

    def _spread(self, words: Sequence[str]) -> Iterator[str]:
        """Write ``--option a b FILE`` as ``--option=a --option=b FILE``, which argparse reads as it is meant."""
        many = {
            name: action
            for action in self._actions
            for name in action.option_strings
            if action.nargs == "+" and action.type is not Path
        }
        optional = {name: a for a in self._actions for name in a.option_strings if a.nargs == "?" and a.choices}
        option = None
        for number, word in enumerate(words):
            following = words[number + 1] if number + 1 < len(words) else "-"
            if word == "--":
                yield from words[number:]
                return
            if word in optional and following not in (optional[word].choices or ()):
                yield f"{word}={optional[word].const}"  # else argparse takes the next word, whatever it is
            elif word in many and not following.startswith("--") and following != "-":
                option = word
            elif option and not word.startswith("--") and not _is_file(word):
                yield f"{option}={word}"
            else:
                option = None
                yield word


def _is_file(word: str) -> bool:
    """Whether a word is a file that a command reads, not a value of an option."""
    if "=" in word:
        return _exists(word)
    return word.endswith(_FILES) or word in shipped_configs() or "/" in word or _exists(word)


def _exists(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long for a name, a null byte
        return False
