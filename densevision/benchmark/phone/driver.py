"""Time .tflite files on a phone with TFLite's ``benchmark_model``, driven through adb."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.benchmark.phone.adb import LostPhoneError, Phone
from densevision.benchmark.phone.log import LogError
from densevision.benchmark.phone.measurement import Measurement, parse_measurement
from densevision.benchmark.timing import check_model_file, file_hash
from densevision.errors import UserError

FOLDER = "/data/local/tmp/densevision"
SCRIPT = Path(__file__).with_name("measure.sh")
_MACHINES = {183: "arm64-v8a", 40: "armeabi-v7a", 62: "x86_64", 3: "x86"}  # ELF's e_machine: Android's name


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        runs: of each call of benchmark_model.
        threads: of the runtime.
        rounds: calls for each file; the first of a round is another one each time.
        attempts: at a call that the phone throttled, before it is kept and marked.
        pause_s: for the phone to cool down, between attempts.
    """

    runs: int = 50
    threads: int = 1
    rounds: int = 3
    attempts: int = 3
    pause_s: float = 60.0


def time_on_phone(
    phone: Phone,
    binary: Path,
    models: Sequence[Path],
    plan: Plan = Plan(),  # noqa: B008
    tell: Callable[[str], None] = lambda line: None,
) -> dict[Path, list[Measurement]]:
    """Copy everything to the phone, measure in rounds, remove it again.

    Args:
        phone: an attached one.
        binary: ``benchmark_model`` for its processor.
        models: .tflite files.
        plan: how to measure.
        tell: takes lines about the progress.
    Returns:
        For each model one measurement a round.
    Raises:
        UserError: a file is missing or wrong, the phone goes away or refuses, or benchmark_model fails.
    """
    for model in models:
        check_model_file(model)
    check_binary(binary, phone.shell("getprop ro.product.cpu.abilist"))
    try:
        targets = _push(phone, binary, models)
        results: dict[Path, list[Measurement]] = {model: [] for model in models}
        for turn in range(plan.rounds):
            for offset in range(len(models)):
                model = models[(turn + offset) % len(models)]
                tell(f"round {turn + 1} of {plan.rounds}: {model.name}")
                results[model].append(_measure_cool(phone, model, targets[model], plan, tell))
    except LostPhoneError as error:
        raise LostPhoneError(f"{error}; {FOLDER} may be left on it") from error
    except BaseException:
        with contextlib.suppress(UserError):  # the first fault is the one to tell
            _clean(phone)
        raise
    _clean(phone)
    return results


def check_binary(binary: Path, abilist: str) -> None:
    """Raise UserError unless a program is there and one of the phone's processors runs it.

    Args:
        abilist: Android's names, separated by commas; empty if it tells none.
    """
    try:
        with binary.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise UserError(f"--binary {binary}: {error.strerror}; docs/benchmark.md says where it is to be had") from error
    if head[:4] != b"\x7fELF" or len(head) < 20:
        raise UserError(f"--binary {binary} is no Android program; docs/benchmark.md says where it is to be had")
    number = int.from_bytes(head[18:20], "little")
    machine, wanted = _MACHINES.get(number, f"machine {number}"), abilist.strip().split(",")
    if machine not in wanted and wanted != [""]:
        raise UserError(f"--binary {binary} is for {machine}, the phone runs {', '.join(wanted)}; get that one")


def _push(phone: Phone, binary: Path, models: Sequence[Path]) -> dict[Path, str]:
    phone.shell(f"rm -rf {FOLDER}; mkdir -p {FOLDER}")
    phone.push(SCRIPT, f"{FOLDER}/measure.sh")
    phone.push(binary, f"{FOLDER}/benchmark_model")
    phone.shell(f"chmod 755 {FOLDER}/benchmark_model")
    targets = {model: f"{FOLDER}/{index}.tflite" for index, model in enumerate(models)}
    for model, target in targets.items():
        phone.push(model, target)
    return targets


def _measure_cool(phone: Phone, model: Path, target: str, plan: Plan, tell: Callable[[str], None]) -> Measurement:
    for attempt in range(1, plan.attempts + 1):
        measurement = _measure(phone, model, target, plan)
        if not measurement.throttled:
            break
        tell(f"{model.name}: the phone throttled, attempt {attempt} of {plan.attempts}")
        if attempt < plan.attempts:
            time.sleep(plan.pause_s)
    return measurement


def _measure(phone: Phone, model: Path, target: str, plan: Plan) -> Measurement:
    words = ["sh", f"{FOLDER}/measure.sh", f"{FOLDER}/benchmark_model", target, str(plan.runs), str(plan.threads)]
    text = phone.shell(shlex.join(words))
    try:
        measurement = parse_measurement(text)
    except LogError as error:
        phone.check_alive()
        raise UserError(f"{model} on phone {phone.serial}: {error}; repeat, or run it there by hand") from error
    if measurement.hashes.get(target, file_hash(model)) != file_hash(model):
        raise UserError(f"{model} arrived damaged on phone {phone.serial}; check the cable and repeat")
    return measurement


def _clean(phone: Phone) -> None:
    phone.shell(f"rm -rf {FOLDER}")
