"""Settings of a whole process: what a training command changes for speed, and what a library call must put back."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import platform
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.multiprocessing
from mmengine.config import Config

from densevision.errors import UserError

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # parameters of mallopt(3)
_MADV_HUGEPAGE = 14
_HUGE_PAGE = 2**21


@contextmanager
def kept_settings() -> Iterator[None]:
    """Put back what mmengine's Runner sets for the whole process: threads, flags, limits and random states."""
    restore = [
        _environment("OMP_NUM_THREADS", "MKL_NUM_THREADS"),
        _setter(cv2.setNumThreads, cv2.getNumThreads()),
        _setter(_set_start_method, torch.multiprocessing.get_start_method(allow_none=True)),
        _setter(_set_cudnn, (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)),
        _setter(
            _set_deterministic,
            (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        ),
        _setter(_set_open_files, resource.getrlimit(resource.RLIMIT_NOFILE)),
        _setter(random.setstate, random.getstate()),
        _setter(np.random.set_state, np.random.get_state()),
        _setter(torch.set_rng_state, torch.get_rng_state()),
    ]
    try:
        yield
    finally:
        for put_back in restore:
            put_back()


def _setter(function: Callable[[object], object], value: object) -> Callable[[], object]:
    return functools.partial(function, value)


def _environment(*names: str) -> Callable[[], None]:
    before = {name: os.environ.get(name) for name in names}

    def put_back() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return put_back


def _set_start_method(method: str | None) -> None:
    torch.multiprocessing.set_start_method(method, force=True)


def _set_cudnn(flags: tuple[bool, bool]) -> None:
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = flags


def _set_deterministic(flags: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(flags[0], warn_only=flags[1])


def _set_open_files(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@functools.cache
def tune_process() -> None:
    """Prepare this process for training; for commands only, and before torch starts its threads.

    Denormal numbers count as zero: gradients of a fresh network hold many, each as slow as dozens of others.
    With glibc, freed memory stays with the process, else every step asks the kernel for the same gigabytes anew,
    page by page; and it lies in huge pages where the kernel has them on request. The address space of half the
    memory is set aside for that, not the memory itself.
    """
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # from here on it is known; NumPy 2.3 warns where it finds no denormal number
    torch.set_flush_denormal(True)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        _keep_freed_memory(libc)
        _use_huge_pages(libc)


def _keep_freed_memory(libc: ctypes.CDLL) -> None:
    """Let all threads allocate from one heap that only grows."""
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    libc.mallopt(_TOP_PAD, 256 * 2**20)
    libc.mallopt(_ARENA_MAX, 1)


def _use_huge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap by half the machine's memory, untouched, and ask for huge pages there."""
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    block = libc.malloc(size)
    if block:  # None where a limit forbids it
        start = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(start, block + size - start - _HUGE_PAGE, _MADV_HUGEPAGE)
        libc.free(block)


def start_processes(config: Config) -> None:
    """Prepare for a training in many processes, also without a GPU.

    Raises:
        UserError: there is neither a GPU nor torchrun.
    """
    config.model_wrapper_cfg = dict(type="MMDistributedDataParallel")
    if not torch.cuda.is_available():
        config.model_wrapper_cfg.device_ids = None
        if config.launcher != "pytorch" or "RANK" not in os.environ:
            raise UserError("--launcher: without a GPU only torchrun with --launcher pytorch works")
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # what mmengine would set, with a warning
    atexit.register(_leave_processes)


def _leave_processes() -> None:
    """End gloo's threads; a process that ends before them may abort, and torchrun calls its work failed."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
