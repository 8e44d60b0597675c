"""What a long command prints while it works, and how native libraries are kept from printing theirs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

QUIET = "DENSEVISION_QUIET"  # set by --quiet, also for processes that the command starts


Item = TypeVar("Item")


def is_quiet() -> bool:
    """Whether only results and errors are to be printed."""
    return bool(os.environ.get(QUIET))


@contextmanager
def quiet() -> Iterator[None]:
    """Print no stages within the body."""
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "1"
    try:
        yield
    finally:
        os.environ.pop(QUIET)
        if before is not None:
            os.environ[QUIET] = before


def stage(line: str) -> None:
    """Print what starts now, to the error output, so that results can be piped."""
    if not is_quiet():
        print(line, file=sys.stderr, flush=True)


def steps(items: Iterable[Item], what: str) -> Iterator[Item]:
    """Yield items with a bar on a terminal; in a pipe with a line at the start.

    Args:
        items: with a length, or the bar only counts.
        what: that is done with them: "evaluating 87 images".
    """
    if is_quiet() or not sys.stderr.isatty():
        stage(what)
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    total = len(items) if isinstance(items, Sized) else None
    yield from track(items, what, total=total, console=Console(stderr=True), transient=True)


@contextmanager
def native_output_hidden() -> Iterator[None]:
    """Keep what C and C++ libraries write to the error output from the terminal, unless the body raises.

    The file descriptor is replaced for the whole process: use it around single calls of a library. Python's own
    exceptions pass through.
    """
    try:
        target = sys.__stderr__.fileno() if sys.__stderr__ else 2
        kept = os.dup(target)
    except (OSError, ValueError):  # no error output: a service, a window without a console
        yield
        return
    with tempfile.TemporaryFile() as hidden:
        sys.stderr.flush()
        os.dup2(hidden.fileno(), target)
        try:
            yield
        except BaseException:
            _restore(kept, target)
            hidden.seek(0)
            os.write(target, hidden.read())
            raise
        _restore(kept, target)


def _restore(kept: int, target: int) -> None:
    sys.stderr.flush()
    os.dup2(kept, target)
    os.close(kept)
