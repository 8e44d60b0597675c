"""How a training process treats memory and tiny numbers: both cost a CPU much of a training step."""

from __future__ import annotations

import ctypes
import functools
import os
import platform

import torch

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # parameters of mallopt(3)
_MADV_HUGEPAGE = 14
_HUGE_PAGE = 2**21


@functools.cache
def tune_process() -> None:
    """Prepare this process for training; call it before torch starts its threads.

    Denormal numbers count as zero: gradients of a fresh network hold many, each as slow as dozens of others.
    With glibc, freed memory stays with the process, else every step asks the kernel for the same gigabytes anew,
    page by page; and it lies in huge pages where the kernel has them on request. The address space of half the
    memory is set aside for that, not the memory itself.
    """
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
