"""The exception for wrong input, whose message names the remedy."""

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

_TRACEBACK = "Traceback (most recent call last)"


class UserError(Exception):
    """Wrong input: one line that names the file or field and the remedy.

    The command line prints it without a traceback and exits with ``status``.
    """

    status = 2

    def __str__(self) -> str:
        # A loader's worker passes the message on as a whole traceback; its last line is the message.
        text = super().__str__().strip()
        last = text.rpartition("\n")[2] if _TRACEBACK in text else " ".join(text.splitlines())
        return last.removeprefix(f"{__name__}.{type(self).__name__}: ")


class MachineFault(UserError):
    """The machine lacks what the work needs: memory, disk space, open files; the input may be right."""

    status = 1


def as_path(value: object, name: str) -> Path:
    """Return a path that a user gave.

    Args:
        name: of the argument, for messages.
    Raises:
        UserError: it is no path, or one that no file can have.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise UserError(f"{name} is {value!r}; give a path")
    if not str(value) or "\0" in str(value):
        raise UserError(f"{name} is {str(value)!r}; give a path")
    path = Path(value)
    try:
        path.exists()
    except OSError as error:  # a name that is too long, a folder that can't be entered
        raise UserError(f"{name} {str(path)[:100]}: {error.strerror}; give another path") from error
    return path


_CLOSE = 0.65  # of 1: at 0.6, "SSDLite" is close to "system"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean a or b?" if known names are close to ``name``, else an empty string."""
    spelled = {str(other).lower(): str(other) for other in known}
    close = difflib.get_close_matches(name.lower(), spelled, cutoff=_CLOSE)
    beginning = sorted(word for word in spelled if len(name) > 2 and word.startswith(name.lower()))
    near = [spelled[word] for word in close or beginning[:2]]
    return f"did you mean {' or '.join(near)}?" if near else ""


def listed(names: Sequence[str], shown: int = 5) -> str:
    """Join the first names, and add the number of the others."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def shown(value: object, most: int = 80) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
