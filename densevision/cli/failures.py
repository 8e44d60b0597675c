"""What to say in one line where the machine fails: disk, memory, open files, processes, shared memory."""

from __future__ import annotations

import errno
import gc
import re
import sys
import traceback
from typing import TypeGuard

_DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ENOTCONN),
    errno.EFBIG,
}
_FILES = {errno.EMFILE, errno.ENFILE}
_NAMES = {errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ}  # no file can have such a name
_PROCESSES = "no more processes or threads can be started; allow more (ulimit -u), or end other programs"
_MEMORY = (
    "memory ran out; reduce batch_size, num_workers or the size of the input, end other programs, or allow more "
    "(ulimit -v)"
)
_SHARED = (
    "the shared memory in /dev/shm is full or missing; increase it (docker run --shm-size=2g), or load without "
    "workers: train_dataloader.num_workers=0 val_dataloader.num_workers=0"
)
_OPEN = "too many open files; allow more (ulimit -n 4096), or load without workers: train_dataloader.num_workers=0"
_WORKER = (
    "a loader worker was killed, mostly because memory ran out; reduce train_dataloader.num_workers or batch_size. "
    "Of a training, --resume continues at the last checkpoint"
)
# Texts of libraries -> what to say. The first that fits counts.
_SAID = [
    (r"unable to \w+(/\w+)* (a )?shared memory.*Too many open files|received 0 items of ancdata", _OPEN),
    (r"Too many open files", _OPEN),
    (r"unable to \w+(/\w+)* (a )?shared memory|out of shared memory|Bus error|SemLock", _SHARED),
    (r"can't start new thread|pthread_create failed|Resource temporarily unavailable", _PROCESSES),
    (r"can't allocate memory|[Oo]ut of memory|[Cc]annot allocate memory|failed to map segment|bad_alloc", _MEMORY),
    (
        r"No usable temporary directory",
        "there is no folder for temporary files; set TMPDIR to a folder that you may write to",
    ),
    (r"DataLoader worker", _WORKER),
    (
        r"gloo.*(closed by peer|reset by peer|timed? ?out|Broken pipe)|NCCL.*(abort|remote process|unhandled)",
        "another process of this training has ended; its message says why. --resume continues at the last checkpoint",
    ),
]


def describe_failure(error: BaseException) -> str | None:
    """Return one line on a failure of the machine; None for what may be a fault of the program."""
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, OSError) and _raised_in(error) == "multiprocessing.synchronize":  # semaphores are files there
        return _SHARED
    if isinstance(error, EOFError | ConnectionError | FileNotFoundError) and _is_of_worker(error):
        return _WORKER
    if names_no_file(error):
        return f"{_place(error)}: {error.strerror}; give another path"
    if isinstance(error, OSError) and error.errno in _FILES:
        return f"{_place(error) or 'a file'} can't be opened: {_OPEN}"
    if isinstance(error, OSError) and error.errno in _DISK:
        where = _place(error) or "the disk or standard output"
        return f"{where}: {error.strerror}; free space or give a folder that you may write to (also TMPDIR)"
    if isinstance(error, OSError) and error.errno == errno.EAGAIN:
        return _PROCESSES
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return _MEMORY
    if isinstance(error, OSError | RuntimeError | ImportError):
        text = " ".join(str(error).split())
        return next((say for said, say in _SAID if re.search(said, text)), None)
    return None


def names_no_file(error: BaseException) -> TypeGuard[OSError]:
    """Whether a path was given that no file can have, which is wrong input and no failure."""
    return isinstance(error, OSError) and error.errno in _NAMES


def forget(error: BaseException) -> None:
    """Release what an error holds, silently: half-started parts of libraries print tracebacks when they are deleted."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _raised_in(error: BaseException) -> str:
    """Return the module whose Python code raised an error."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__")) if frames else ""


def _is_of_worker(error: BaseException) -> bool:
    """Whether a loader worker ended while it handed over a batch, which it does by a socket of its own."""
    names = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return "multiprocessing.resource_sharer" in names or "torch.multiprocessing.reductions" in names


def _place(error: OSError) -> str:
    return " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
