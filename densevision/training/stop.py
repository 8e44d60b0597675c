"""Stop a training between two iterations after a signal; what loader workers do with signals and with their errors."""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing.queues
import os
import signal
import sys
import threading
import time
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from torch._utils import ExceptionWrapper

from densevision.errors import MachineFault

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Of these, one that a program handles itself stays so; schedulers of clusters send some before the time is up.
_OTHERS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name))
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
    """While entered, the first signal is only recorded; a later one takes effect immediately."""

    def __init__(self) -> None:
        self._received = 0
        self._received_at = 0.0
        self._previous: dict = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            # A shell starts background jobs with SIGINT ignored, which must stay so.
            handled = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            handled += [number for number in _OTHERS if _ends_process(signal.getsignal(number))]
            self._previous = {number: signal.signal(number, self._receive) for number in handled}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def request(self, number: int) -> None:
        """Stop after the first iteration, as after this signal."""
        self._received = number

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


def _ends_process(handler: object) -> bool:
    return handler == signal.SIG_DFL or getattr(handler, "ends_command", False)


def protect_worker(worker_id: int) -> None:
    """Ignore signals in a loader worker, but end it with its parent, and tell the parent what can't be sent.

    The parent saves a checkpoint after a signal to the process group, which it can't do without its workers.
    """
    atexit.register(_exit_worker)
    multiprocessing.queues.Queue._on_queue_feeder_error = _send_error  # type: ignore[attr-defined]
    for number in (signal.SIGINT, *_OTHERS):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_exit_when_parent_asks, daemon=True).start()


def _send_error(queue: multiprocessing.queues.Queue, error: Exception, batch: object) -> None:
    """Send an error in place of a batch that could not be sent; the parent would wait for the batch forever.

    Called by the thread that sends, while the error is handled.
    """
    index = batch[0] if isinstance(batch, tuple) and batch else None
    try:
        raise MachineFault(f"a loader worker can't send a batch: {_remedy(error)}") from error
    except MachineFault:
        queue.put((index, ExceptionWrapper(where="in a loader worker")))


def _remedy(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "Too many open files" in text:
        return f"{text}; allow more open files (ulimit -n 4096), or set train_dataloader.num_workers=0"
    if "shared memory" in text or "No space left" in text:
        return (
            f"{text}; /dev/shm is full: increase it (docker run --shm-size=2g), or set num_workers=0 in the loaders "
            "of the config"
        )
    return f"{text or type(error).__name__}; check TMPDIR, or set num_workers=0 in the loaders of the config"


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
