"""Time .tflite files on a phone with TFLite's ``benchmark_model``: copy, run ``measure.sh`` there, read its output."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.benchmark.phone.adb import LostPhoneError, Phone
from densevision.benchmark.phone.log import LogError
from densevision.benchmark.phone.measurement import Measurement, OtherFileError, read_measurements
from densevision.benchmark.timing import check_model_file
from densevision.errors import UserError

FOLDER = "/data/local/tmp/densevision"
MEASURE = Path(__file__).with_name("measure.sh")
_MACHINES = {183: "arm64-v8a", 40: "armeabi-v7a", 62: "x86_64", 3: "x86"}  # ELF's e_machine: Android's name


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        runs: of each call of benchmark_model.
        threads: of the runtime.
        rounds: calls per file; each round begins with a different file.
        attempts: at a call during which the phone throttled, before it is kept and marked.
        pause_s: between attempts, for the phone to cool down.
    """

    runs: int = 50
    threads: int = 1
    rounds: int = 3
    attempts: int = 3
    pause_s: float = 60.0

    def command(self, models: int) -> str:
        """Return the command line that measures a number of models on the phone."""
        words = (FOLDER, models, self.runs, self.threads, self.rounds, self.attempts, f"{self.pause_s:g}")
        return shlex.join(["sh", f"{FOLDER}/{MEASURE.name}", *map(str, words)])


def time_on_phone(
    phone: Phone,
    binary: Path,
    models: Sequence[Path],
    plan: Plan = Plan(),  # noqa: B008
    tell: Callable[[str], None] = lambda line: None,
) -> dict[Path, list[Measurement]]:
    """Copy everything to the phone, measure there, and remove it again.

    Args:
        phone: an attached one.
        binary: ``benchmark_model`` for its processor.
        models: .tflite files.
        plan: how to measure.
        tell: receives lines about the progress.
    Returns:
        For each model one measurement per round.
    Raises:
        UserError: a file is missing or wrong, the phone disconnects or refuses, or benchmark_model fails.
    """
    for model in models:
        check_model_file(model)
    check_binary(binary, phone.shell("getprop ro.product.cpu.abilist"))
    try:
        _push(phone, binary, models)
        text = "".join(_report_notes(phone.stream(plan.command(len(models))), models, tell))
        results = _read(phone, text, models)
    except LostPhoneError as error:
        raise LostPhoneError(f"{error}; {FOLDER} may be left on it") from error
    except BaseException:
        with contextlib.suppress(UserError):  # the first fault is the one to report
            _clean(phone)
        raise
    _clean(phone)
    return results


def check_binary(binary: Path, abilist: str) -> None:
    """Raise UserError unless the file is a program that one of the phone's processors runs.

    Args:
        binary: the program.
        abilist: Android's names of the processors, separated by commas; empty if unknown.
    """
    try:
        with binary.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise UserError(f"--binary {binary}: {error.strerror}; docs/benchmark.md says where to get it") from error
    if head[:4] != b"\x7fELF" or len(head) < 20:
        raise UserError(f"--binary {binary} is not an Android program; docs/benchmark.md says where to get it")
    number = int.from_bytes(head[18:20], "little")
    machine, supported = _MACHINES.get(number, f"machine {number}"), abilist.strip().split(",")
    if machine not in supported and supported != [""]:
        raise UserError(f"--binary {binary} is for {machine}, the phone runs {', '.join(supported)}; get that one")


def _push(phone: Phone, binary: Path, models: Sequence[Path]) -> None:
    phone.shell(f"rm -rf {FOLDER}; mkdir -p {FOLDER}")
    phone.push(MEASURE, f"{FOLDER}/{MEASURE.name}")
    phone.push(binary, f"{FOLDER}/benchmark_model")
    phone.shell(f"chmod 755 {FOLDER}/benchmark_model")
    for index, model in enumerate(models):
        phone.push(model, f"{FOLDER}/{index}.tflite")


def _report_notes(lines: Iterator[str], models: Sequence[Path], tell: Callable[[str], None]) -> Iterator[str]:
    for line in lines:
        if line.startswith("@note "):
            _, index, note = line.split(maxsplit=2)
            tell(f"{models[int(index)].name}: {note.strip()}")
        yield line


def _read(phone: Phone, text: str, models: Sequence[Path]) -> dict[Path, list[Measurement]]:
    try:
        return read_measurements(text, models)
    except OtherFileError as error:
        raise UserError(f"{error} arrived damaged on phone {phone.serial}; check the cable and repeat") from error
    except LogError as error:
        phone.check_alive()
        raise UserError(f"phone {phone.serial}: {error}; repeat, or run benchmark_model there by hand") from error


def _clean(phone: Phone) -> None:
    phone.shell(f"rm -rf {FOLDER}")
