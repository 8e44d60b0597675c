"""Time .tflite files on this machine, interleaved in one process. Needs NumPy and ai-edge-litert."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from densevision.errors import UserError
from densevision.inference.tflite_backend import open_interpreter

WARM_UP_RUNS = 5


@dataclass(frozen=True)
class Timing:
    """The times of one file.

    Attributes:
        path: the file.
        times_ms: [R] time of each run; run r of all files was in the same round.
    """

    path: Path
    times_ms: np.ndarray

    @property
    def median_ms(self) -> float:
        return float(np.median(self.times_ms))

    @property
    def min_ms(self) -> float:
        return float(self.times_ms.min())

    @property
    def p90_ms(self) -> float:
        return float(np.percentile(self.times_ms, 90))


@dataclass(frozen=True)
class Ratio:
    """Time of a file over that of another, by round: the median, and the bounds of the middle 80 %."""

    median: float
    low: float
    high: float


def paired_ratio(timing: Timing, base: Timing) -> Ratio:
    """Divide round by round, so that changes of the machine's speed affect both files alike."""
    low, median, high = np.percentile(timing.times_ms / base.times_ms, [10, 50, 90])
    return Ratio(float(median), float(low), float(high))


def time_models(paths: Sequence[Path], *, threads: int = 1, runs: int = 50) -> list[Timing]:
    """Run every file once per round; each round begins with a different file.

    With one thread the time is that thread's CPU time, so that other work on the core only disturbs the caches; with
    more it is wall time.

    Args:
        paths: .tflite files.
        threads: of each runtime; the process is bound to this number of cores meanwhile.
        runs: rounds that count, after ``WARM_UP_RUNS`` that do not.
    Returns:
        A timing per file, in the same order. Inputs are seeded noise over the whole range of their type.
    Raises:
        UserError: a file is missing or is not a model, or the runtime is not installed.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    with bound_to_cores(threads):
        interpreters = [open_model(path, threads) for path in paths]
        times = np.zeros((len(paths), runs))
        for turn in range(-WARM_UP_RUNS, runs):
            for offset in range(len(paths)):
                index = (turn + offset) % len(paths)
                started = clock()
                interpreters[index].invoke()
                if turn >= 0:
                    times[index, turn] = 1e3 * (clock() - started)
    return [Timing(path, row) for path, row in zip(paths, times, strict=True)]


def open_model(path: Path, threads: int) -> Any:
    """Open TFLite's interpreter on a file, and fill its inputs with noise.

    Raises:
        UserError: the file is missing or is not a model, or the runtime is not installed.
    """
    check_model_file(path)
    interpreter = open_interpreter(path, threads)
    generator = np.random.default_rng(0)
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], _noise(generator, tensor["shape"], tensor["dtype"]))
    return interpreter


def check_model_file(path: Path) -> None:
    """Raise UserError unless the file has the header of a .tflite."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give a .tflite file") from error
    if head[4:] != b"TFL3":
        raise UserError(f"{path} is not a .tflite file; densevision export writes one")


def file_hash(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _noise(generator: np.random.Generator, shape: np.ndarray, dtype: type) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return generator.uniform(-1, 1, shape).astype(dtype)


@contextmanager
def bound_to_cores(count: int) -> Iterator[list[int]]:
    """Bind the process to the last cores that it may use, if the system supports it; yields their numbers."""
    if not hasattr(os, "sched_setaffinity"):
        yield []
        return
    allowed = os.sched_getaffinity(0)
    cores = sorted(allowed)[-count:]
    os.sched_setaffinity(0, cores)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, allowed)
