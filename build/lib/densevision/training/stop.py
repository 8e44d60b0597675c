"""Stop a training politely: Ctrl-C and SIGTERM are noted, and obeyed between two iterations."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

import torch
from mmengine.dist import all_reduce, is_main_process

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME_WISH_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class TrainingStopped(Exception):
    """A signal ended the training after a whole iteration, and its checkpoint is on the disk.

    Attributes:
        signal_number: the signal, e.g. 2 for SIGINT.
        iteration: iterations trained so far.
    """

    def __init__(self, signal_number: int, iteration: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name} at iteration {iteration}")
        self.signal_number = signal_number
        self.iteration = iteration


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is only noted; a later one acts at once."""

    def __init__(self):
        self._received = 0
        self._received_at = 0.0
        self._previous: dict = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            # A shell starts background jobs with SIGINT ignored; that choice is kept.
            wanted = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._receive) for number in wanted}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def agreed(self) -> int:
        """Return the signal that any process received, 0 without one; every process must call this."""
        received = torch.tensor(self._received)
        all_reduce(received, op="max")
        return int(received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received:
            # torchrun passes on the Ctrl-C that the terminal sent to everybody: that is no second wish.
            if time.monotonic() - self._received_at > _SAME_WISH_SECONDS:
                self.__exit__()
                signal.raise_signal(number)
            return
        self._received, self._received_at = number, time.monotonic()
        if is_main_process():
            print("\nstopping after this iteration; once more stops at once", file=sys.stderr, flush=True)


def protect_worker(worker_id: int) -> None:
    """Let a loader worker live through a signal to the whole group, yet die with its parent.

    The parent saves a checkpoint after such a signal, which it could not do once a worker is missing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_obey_parent_only, daemon=True).start()


def _obey_parent_only() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
