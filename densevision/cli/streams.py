"""Standard output and error that can't end the work: a closed pipe, a full disk, a character without a code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO


class SteadyStream:
    """A text stream that drops everything once something could not be written.

    Args:
        stream: what is written to.
        goes_on: False raises an error when the reader of a pipe is gone, as other programs end then.
    Attributes:
        fault: why something could not be written; None if all was.
    """

    def __init__(self, stream: TextIO, *, goes_on: bool = True):
        self._stream, self.goes_on = stream, goes_on
        self.fault: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """Write, or drop the text."""
        if self.fault is None:
            try:
                return self._stream.write(text)
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line, or drop it."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or drop what is left."""
        if self.fault is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:  # ValueError: it is closed
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError | ValueError) -> None:
        self.fault = error
        with contextlib.suppress(OSError, ValueError):  # not a file, in a test or a notebook
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())  # native code writes there too, and Python once more at its end
            os.close(nothing)
        if isinstance(error, BrokenPipeError) and not self.goes_on:
            raise error


@contextlib.contextmanager
def steady_streams() -> Iterator[tuple[SteadyStream, SteadyStream]]:
    """Replace standard output and error; yields both."""
    _open_missing()
    before = sys.stdout, sys.stderr
    for stream in before:
        with contextlib.suppress(AttributeError, ValueError, OSError):  # a stream of another kind
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    output, errors = SteadyStream(before[0], goes_on=False), SteadyStream(before[1])
    sys.stdout, sys.stderr = output, errors
    try:
        yield output, errors
    finally:
        for stream in (output, errors):
            with contextlib.suppress(BrokenPipeError):
                stream.flush()
        sys.stdout, sys.stderr = before


def _open_missing() -> None:
    """Open the null device in place of standard streams that were closed, or files would get their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - for the whole process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
