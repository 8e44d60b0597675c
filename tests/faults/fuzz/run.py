"""Fuzz readers for a time or a number of cases, and save what raises something undocumented, hangs or takes memory.

``python -m tests.faults.fuzz.run --seconds 1800 --cases 100000 --out build/fuzz [TARGET ...]``. The case of a number is
the same on every machine. Every case runs in a forked process with a limit of 1 GB above what it had at its start, and
of 5 seconds of its own processor time; a process that dies is replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import json
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.fuzz import targets, text_targets
from tests.faults.fuzz.targets import Target

FORMATS = ("yolo", "voc", "labelme", "cvat", "label_studio", "createml", "csv")
TARGETS: dict[str, Callable[[Path], Target]] = {
    one.__name__: one
    for one in (
        *(targets.options, targets.config_in_checkpoint, targets.checkpoint, targets.tflite),
        *(targets.tflite_bytes, targets.coco, targets.image, targets.mask),
        *(text_targets.pointer, text_targets.curves, text_targets.phone_log, text_targets.class_names),
        *(text_targets.image_list, text_targets.report, text_targets.yolo_names, text_targets.tensorflow),
        text_targets.polygons,
    )
} | {name: functools.partial(targets.label_format, name) for name in FORMATS}
SECONDS, BYTES = 5, 2**30  # of one case
_WALL = 120  # seconds after which a case hangs outside of the processor, and the process is ended
_MEMORY = Path("/dev/shm")  # files of a case; a disk takes milliseconds for each


class HangError(BaseException):
    """A case took too long; no reader catches it."""


class Fuzzer:
    """Runs the cases of one target.

    Args:
        name: of the target.
        out: folder for the faults.
        seed: of all cases.
        first: number of the first case.
    Attributes:
        cases: number of the next case.
        accepted: of these, files that were read without an error.
        faults: place of each fault -> number of the first case, and the message.
    """

    def __init__(self, name: str, out: Path, seed: int = 0, first: int = 0):
        self.name, self.out, self.seed = name, out, seed
        self.cases, self.accepted = first, 0
        self.faults: dict[str, tuple[int, str]] = {}
        self._shared = mmap.mmap(-1, 16)

    def run(self, cases: int, seconds: float) -> None:
        """Run the cases from the next one to before number ``cases``, for up to ``seconds``."""
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            target = TARGETS[self.name](Path(folder))
            deadline = time.monotonic() + seconds
            while self.cases < cases and time.monotonic() < deadline:
                found, status = self._fork(target, cases, deadline)
                for place, (number, message) in found.items():
                    self._add(place, number, message, target)
                if status != 0:
                    number = self.cases - 1
                    self._add(f"the process ended with {status}", number, "", target)

    def _add(self, place: str, number: int, message: str, target: Target) -> None:
        if place not in self.faults:
            self.faults[place] = number, message
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / f"{self.name}_{number}").write_bytes(self.case(target, number))

    def case(self, target: Target, number: int) -> bytes:
        """Return the case of a number."""
        return target.case(Random(f"{self.seed} {self.name} {number}"))

    def _fork(self, target: Target, cases: int, deadline: float) -> tuple[dict[str, tuple[int, str]], int]:
        self._shared[:] = struct.pack("qq", self.cases, self.accepted)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            gc.freeze()  # what is loaded is not searched for garbage again
            _limit()
            with contextlib.suppress(BaseException), os.fdopen(writing, "w") as results:
                self._loop(target, cases, deadline, results)
                results.flush()
                os._exit(0)
            os._exit(98)
        os.close(writing)
        with os.fdopen(reading) as results:
            found = {place: (number, message) for place, number, message in map(json.loads, results)}
        _, status = os.waitpid(child, 0)
        self.cases, self.accepted = struct.unpack("qq", self._shared[:])
        return found, os.waitstatus_to_exitcode(status)

    def _loop(self, target: Target, cases: int, deadline: float, results) -> None:
        seen, accepted = set(), self.accepted
        for number in range(self.cases, cases):
            self._shared[:] = struct.pack("qq", number + 1, accepted)
            signal.alarm(_WALL)
            content = self.case(target, number)
            fault, taken = run_case(target, content)
            accepted += taken
            if fault is not None and fault[0] not in seen:
                seen.add(fault[0])
                print(json.dumps([fault[0], number, fault[1]]), file=results, flush=True)
            if time.monotonic() > deadline:
                break
        self._shared[:] = struct.pack("qq", number + 1, accepted)


def run_case(target: Target, content: bytes) -> tuple[tuple[str, str] | None, bool]:
    """Return the place and text of an undocumented exception, or None; and whether the content was accepted."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return None, target.run(content)
    except (Exception, HangError, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/densevision/" in frame.filename] or frames[-1:]
        place = f"{type(error).__name__} at {own[-1].filename.rpartition('/densevision/')[2]}:{own[-1].lineno}"
        return (place, f"{error!s:.200}"), False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit() -> None:
    def hang(number: int, frame: object) -> None:
        raise HangError(f"more than {SECONDS} s")

    signal.signal(signal.SIGPROF, hang)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, resource.RLIM_INFINITY))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # decoders in C print what they find
        os.dup2(nowhere, stream)


def main() -> int:
    """Fuzz, print a row per target, and return 1 if there are faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to go on from an earlier run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    arguments = parser.parse_args()
    os.environ.pop("DENSEVISION_DATA", None)
    failed = 0
    for name in arguments.targets or TARGETS:
        fuzzer, started = Fuzzer(name, arguments.out, arguments.seed, arguments.first), time.monotonic()
        fuzzer.run(arguments.cases, arguments.seconds)
        seconds = time.monotonic() - started
        counts = f"{fuzzer.cases - arguments.first:8,} cases {fuzzer.accepted:8,} accepted"
        print(f"{name:14} {counts} {seconds:7.0f} s {len(fuzzer.faults):3} faults")
        for place, (number, message) in fuzzer.faults.items():
            print(f"    {place} in case {number}: {message}")
        sys.stdout.flush()
        failed += len(fuzzer.faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
