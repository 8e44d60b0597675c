"""Stop a training between two iterations after Ctrl-C, SIGTERM or SIGUSR1."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process

_WARNINGS = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []  # Slurm sends it before it kills
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *_WARNINGS)
_SIGNAL_DEBOUNCE_S = 1.0
_AGREE_EVERY = 10  # iterations
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class TrainingStopped(Exception):
    """A signal stopped the training after an iteration whose checkpoint has been written.

    Attributes:
        signal_number: the signal, e.g. 2 for SIGINT.
        iteration: iterations trained so far.
    """

    def __init__(self, signal_number: int, iteration: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name} at iteration {iteration}")
        self.signal_number = signal_number
        self.iteration = iteration


class StopRequest:
    """While entered, the first SIGINT, SIGTERM or SIGUSR1 is only recorded; a later one takes effect immediately."""

    def __init__(self) -> None:
        self._received = 0
        self._received_at = 0.0
        self._previous: dict = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            # A shell starts background jobs with SIGINT ignored, which must stay so.
            handled = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._receive) for number in handled}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def agreed(self, iteration: int = 0) -> int:
        """Return the signal that any process received, 0 if none; every process must call this.

        Args:
            iteration: processes on GPUs exchange signals only every 10 iterations, because the answer waits for the
                device.
        """
        if get_world_size() == 1:
            return self._received
        if torch.cuda.is_available() and iteration % _AGREE_EVERY:
            return 0
        received = torch.tensor(self._received)
        all_reduce(received, op="max")
        return int(received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received:
            # torchrun forwards the Ctrl-C that the terminal sent to every process: not a second request.
            if time.monotonic() - self._received_at > _SIGNAL_DEBOUNCE_S:
                self.__exit__()
                signal.raise_signal(number)
            return
        self._received, self._received_at = number, time.monotonic()
        if is_main_process():
            print("\nstopping after this iteration; repeat to stop immediately", file=sys.stderr, flush=True)


def protect_worker(worker_id: int) -> None:
    """Ignore SIGINT, SIGTERM and SIGUSR1 in a loader worker, but end it with its parent.

    The parent saves a checkpoint after a signal to the process group, which it can't do without its workers.
    """
    atexit.register(_exit_worker)
    for number in (signal.SIGINT, *_WARNINGS):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_exit_when_parent_asks, daemon=True).start()


def _exit_worker() -> None:
    """End a spawned worker as forked ones end, without Python's finalization.

    Finalization stops the thread that sends batches inside torch's C++ code, and then the process may abort.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _exit_when_parent_asks() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
