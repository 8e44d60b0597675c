"""The exception for wrong input, whose message names the remedy."""

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """Wrong input: one line that names the file or field and the remedy.

    The command line prints it without a traceback and exits with status 2.
    """

    def __str__(self) -> str:
        # A loader's worker passes the message on as a whole traceback; its last line is the message.
        last = super().__str__().strip().rpartition("\n")[2]
        return last.removeprefix(f"{__name__}.UserError: ")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean a or b?" if known names are close to ``name``, else an empty string."""
    near = difflib.get_close_matches(name, [str(other) for other in known])
    return f"did you mean {' or '.join(near)}?" if near else ""


def listed(names: Sequence[str], shown: int = 5) -> str:
    """Join the first names, and add the number of the others."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
