"""Settings of the whole process: what a training command changes for speed, and what a library call restores."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import platform
import random
import resource
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from math import ceil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.multiprocessing

from densevision.errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # parameters of mallopt(3)
_MADV_HUGEPAGE = 14
_HUGE_PAGE = 2**21


_began: ContextVar[float | None] = ContextVar("began", default=None)


@contextmanager
def command_since(began: float) -> Iterator[None]:
    """Let a training's time begin when its command began, at ``time.perf_counter`` of then, before its imports."""
    token = _began.set(began)
    try:
        yield
    finally:
        _began.reset(token)


def began() -> float:
    """Return when the training began, by ``time.perf_counter``: with its command, or now."""
    since = _began.get()
    return time.perf_counter() if since is None else since


@contextmanager
def kept_settings() -> Iterator[None]:
    """Restore what mmengine's Runner sets for the whole process: threads, flags, limits and random states."""
    cudnn, deterministic = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with ExitStack() as restore:
        restore.callback(_set_environment, {name: os.environ.get(name) for name in _THREAD_VARIABLES})
        restore.callback(cv2.setNumThreads, cv2.getNumThreads())
        restore.callback(
            torch.multiprocessing.set_start_method,
            torch.multiprocessing.get_start_method(allow_none=True),
            force=True,
        )
        restore.callback(setattr, cudnn, "benchmark", cudnn.benchmark)
        restore.callback(setattr, cudnn, "deterministic", cudnn.deterministic)
        restore.callback(torch.use_deterministic_algorithms, deterministic, warn_only=warn_only)
        restore.callback(resource.setrlimit, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
        restore.callback(random.setstate, random.getstate())
        restore.callback(np.random.set_state, np.random.get_state())
        restore.callback(torch.set_rng_state, torch.get_rng_state())
        yield


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@functools.cache
def silence_event_writers() -> None:
    """Leave out the traceback of TensorBoard's writer, whose thread hands its error on to the training.

    For good: the thread may end after the training has.
    """
    before = threading.excepthook

    def hook(raised: threading.ExceptHookArgs) -> None:
        if not type(raised.thread).__module__.startswith("tensorboard."):
            before(raised)

    threading.excepthook = hook


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@functools.cache
def tune_process() -> None:
    """Prepare this process for training; for commands only, and before torch starts its threads.

    Denormal numbers count as zero: gradients of a new network contain many, each as slow as dozens of others.
    With glibc, freed memory stays with the process; otherwise every step requests the same gigabytes from the kernel
    again, page by page. This memory uses huge pages if the kernel offers them on request, and large tensors begin at
    a page. Address space of half the memory is reserved for it, not the memory itself.
    """
    silence_event_writers()
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch reads it at its first tensor
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # cached from here on; NumPy 2.3 warns if it finds no denormal number
    torch.set_flush_denormal(True)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        _keep_freed_memory(libc)
        _use_huge_pages(libc)


def _keep_freed_memory(libc: ctypes.CDLL) -> None:
    """Allocate for all threads from one heap that only grows."""
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    libc.mallopt(_TOP_PAD, 256 * 2**20)
    libc.mallopt(_ARENA_MAX, 1)


def _use_huge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap by half the machine's memory, untouched, and request huge pages for it."""
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    block = libc.malloc(size)
    if block:  # None where a limit forbids it
        start = ceil(block / _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(start, block + size - start - _HUGE_PAGE, _MADV_HUGEPAGE)
        libc.free(block)


def start_processes(config: Config) -> None:
    """Prepare for a training in many processes, also without a GPU.

    Raises:
        UserError: there is neither a GPU nor torchrun, or torchrun's restarts can't work.
    """
    _check_restarts()
    config.model_wrapper_cfg = dict(type="MMDistributedDataParallel")
    if not torch.cuda.is_available():
        config.model_wrapper_cfg.device_ids = None
        if config.launcher != "pytorch" or "RANK" not in os.environ:
            raise UserError("--launcher: without a GPU only torchrun with --launcher pytorch works")
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")  # as mmengine does, but without its warning
    atexit.register(_leave_processes)


def _check_restarts() -> None:
    """Refuse ``torchrun --max-restarts`` with the store that outlives a start: it keeps the addresses of that start."""
    restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    if restarts.isdigit() and int(restarts) and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        raise UserError(
            "torchrun --max-restarts: restarted processes would connect to the ended ones; start torchrun with "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment, and --standalone or --rdzv-backend c10d"
        )


def check_sync_bn(config: Config) -> None:
    """Check ``sync_bn``, which computes the batch norms over the images of all processes.

    Raises:
        UserError: it is not "torch", or there is no GPU.
    """
    setting = config.get("sync_bn")
    if setting is not None and setting != "torch":
        raise UserError(f"config, sync_bn is {setting!r}; give 'torch', or None")
    if setting is not None and not torch.cuda.is_available():
        raise UserError(
            "config, sync_bn works on GPUs only, and torch finds none; omit it: without, each process normalizes its "
            "own images, and the running statistics are averaged over the processes"
        )


def _leave_processes() -> None:
    """End gloo's threads; if a process ends before them, it may abort, and torchrun reports a failure."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
