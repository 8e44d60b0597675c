"""The one exception that means: the input is wrong, here is the remedy."""

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A fault in what the user gave: one line that names the file or field and the remedy.

    The command line prints it without a traceback and exits with status 2.
    """

    def __str__(self) -> str:
        # From a loader's worker the message comes back as a whole traceback; its last line is the message.
        last = super().__str__().strip().rpartition("\n")[2]
        return last.removeprefix(f"{__name__}.UserError: ")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean a or b?" where known names are close to ``name``, else nothing."""
    near = difflib.get_close_matches(name, [str(other) for other in known])
    return f"did you mean {' or '.join(near)}?" if near else ""


def listed(names: Sequence[str], shown: int = 5) -> str:
    """Join the first names, and say how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
