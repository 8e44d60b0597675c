"""Time many small .tflite files, on this machine or on a phone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np

from densevision.benchmark.local import cpu_name
from densevision.benchmark.phone.adb import LostPhoneError, Phone, choose_phone
from densevision.benchmark.phone.driver import Plan, check_binary, time_on_phone
from densevision.benchmark.phone.report import PhoneReport
from densevision.benchmark.timing import bound_to_cores, file_hash, open_model, paired_ratio, time_models
from densevision.stages import stage

_ROUNDS = 40
_LOW = 10  # percentile of the rounds: other programs on the machine only ever add time
_RATIO_RUNS = 200  # of each of two files in turns


class Timer(Protocol):
    """A device that times files.

    Attributes:
        device: its name.
        runtime: and its version.
        threads: of the runtime.
        batch: number of files that are timed in turns.
    """

    device: str
    runtime: str
    threads: int
    batch: int

    def times(self, files: Sequence[Path]) -> list[float]:
        """Return each file's ms; all files run in turns."""

    def ratio(self, path: Path, base: Path) -> float:
        """Return the time of a file over that of another, as ``densevision benchmark`` measures it."""


class LocalTimer:
    """This machine. With one thread the time is that thread's CPU time."""

    batch = 48

    def __init__(self, threads: int = 1) -> None:
        self.threads, self.device = threads, cpu_name()
        self.runtime = version("ai-edge-litert")

    def times(self, files: Sequence[Path]) -> list[float]:
        """See ``Timer``."""
        found: list[float] = np.percentile(time_rounds(files, self.threads, _ROUNDS), _LOW, axis=1).tolist()
        return found

    def ratio(self, path: Path, base: Path) -> float:
        """See ``Timer``."""
        one, other = time_models([path, base], threads=self.threads, runs=_RATIO_RUNS)
        return paired_ratio(one, other).median


def time_rounds(files: Sequence[Path], threads: int, rounds: int) -> np.ndarray:
    """Run every file once per round; returns ms [files, rounds]."""
    clock: Callable[[], float] = time.thread_time if threads == 1 else time.perf_counter
    times = np.zeros((len(files), rounds))
    with bound_to_cores(threads):
        interpreters = [open_model(path, threads) for path in files]
        for turn in range(-2, rounds):
            for index, interpreter in enumerate(interpreters):
                interpreter.invoke()  # a layer of a network finds its input in the cache, too
                started = clock()
                interpreter.invoke()
                if turn >= 0:
                    times[index, turn] = 1e3 * (clock() - started)
    return times


class PhoneTimer:
    """A phone that is attached by adb; benchmark_model times there.

    Args:
        serial: of the phone; None: the only one that is attached.
        binary: benchmark_model for its processor.
        plan: of the measurement of two networks; layers are measured in one round.
    Raises:
        UserError: there is no such phone, or see ``check_binary``.
    """

    batch = 24  # a phone that is lost in the middle loses these

    def __init__(self, serial: str | None, binary: Path, plan: Plan) -> None:
        check_binary(binary, "")
        self.phone, self.binary, self.plan = Phone(choose_phone(serial)), binary, plan
        check_binary(binary, self.phone.shell("getprop ro.product.cpu.abilist"))
        self.threads = plan.threads
        self.device = f"{self.phone.shell('getprop ro.product.model').strip()} {self.phone.serial}"
        self.runtime = f"benchmark_model-{file_hash(binary)[:12]}"

    def times(self, files: Sequence[Path]) -> list[float]:
        """See ``Timer``."""
        stage(f"{len(files)} files on phone {self.phone.serial}")
        once = Plan(self.plan.runs, self.threads, 1, self.plan.attempts, self.plan.pause_s)
        found = self._measure(files, once).measurements
        return [median(one.log.time_ms for one in found[path]) for path in files]

    def ratio(self, path: Path, base: Path) -> float:
        """See ``Timer``."""
        return self._measure([base, path], self.plan).ratio(path)

    def _measure(self, files: Sequence[Path], plan: Plan) -> PhoneReport:
        try:
            return PhoneReport(self.phone.serial, time_on_phone(self.phone, self.binary, files, plan))
        except LostPhoneError as error:
            raise LostPhoneError(f"{error}; --resume continues the search, with all that was measured") from error
