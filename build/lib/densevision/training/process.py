"""How a training process treats memory and tiny numbers: on a CPU, a quarter of a step's time."""

from __future__ import annotations

import ctypes
import platform

import torch

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # parameters of mallopt(3)
_LARGEST = 2**31 - 1


def tune_process() -> None:
    """Prepare this process for training; call it before torch starts its threads.

    Denormal numbers count as zero: gradients of a fresh network hold many, each as slow as dozens of others.
    With glibc, freed memory stays with the process: else every step asks the kernel for the same gigabytes
    anew, page by page.
    """
    torch.set_flush_denormal(True)
    if platform.libc_ver()[0] == "glibc":
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_MMAP_MAX, 0)
        allocator.mallopt(_TRIM_THRESHOLD, _LARGEST)
        allocator.mallopt(_TOP_PAD, 256 * 2**20)
