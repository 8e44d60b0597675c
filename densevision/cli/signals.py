"""Signals end a command as Ctrl-C does: it removes unfinished files, and its exit status is 128 + the number."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")  # those that this system has


class Ending:
    """Raises KeyboardInterrupt at the first signal; the same one once more ends the process.

    Attributes:
        number: of the signal that came; SIGINT until then.
    """

    ends_command = True  # a training replaces such a handler by its own

    def __init__(self) -> None:
        self.number = int(signal.SIGINT)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    def status(self, status: int) -> int:
        """Return the exit status of a command that returned ``status``, 130 if it was interrupted."""
        return 128 + self.number if status == 130 else status


@contextlib.contextmanager
def ending_signals() -> Iterator[Ending]:
    """Handle the signals that would end the process at once; those that are ignored stay so, as with nohup."""
    ending = Ending()
    replaced = []
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        replaced = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, ending)
    try:
        yield ending
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
