"""A shell script that measures where the phone is, and its log read back. Needs nothing but adb there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from densevision.benchmark.phone.driver import FOLDER, SCRIPT, Plan
from densevision.benchmark.phone.log import LogError
from densevision.benchmark.phone.measurement import Measurement, parse_measurement, split_measurements
from densevision.benchmark.timing import file_hash
from densevision.errors import UserError

SCRIPT_NAME, LOG_NAME = "time_on_phone.sh", "phone.log"
_SCRIPT = """#!/bin/sh
# Times .tflite files on the attached phone. Written by densevision benchmark; needs adb only.
# usage: sh {script} [SERIAL]
# then:  densevision benchmark {models} --log {log}
set -eu
if [ $# -gt 0 ]; then export ANDROID_SERIAL="$1"; fi
folder={folder}
work=$(mktemp -d)
cat > "$work/measure.sh" <<'END_OF_MEASURE'
{measure}END_OF_MEASURE
trap 'adb shell "rm -rf $folder" < /dev/null; rm -r "$work"' EXIT
adb shell "rm -rf $folder; mkdir -p $folder" < /dev/null
adb push "$work/measure.sh" "$folder/measure.sh"
adb push {binary} "$folder/benchmark_model"
adb shell "chmod 755 $folder/benchmark_model" < /dev/null
{pushes}
: > {log}
for round in {rounds}; do
  for model in {numbers}; do
    for attempt in {attempts}; do
      echo "round $round, model $model, attempt $attempt"
      adb shell "sh $folder/measure.sh $folder/benchmark_model $folder/$model.tflite {runs} {threads}" \\
        < /dev/null > "$work/out"
      if ! grep -q 'throttled=1' "$work/out"; then break; fi
      if [ "$attempt" -lt {last} ]; then echo "the phone throttled; waiting"; sleep {pause}; fi
    done
    cat "$work/out" >> {log}
  done
done
echo "wrote {log}"
"""


def phone_script(binary: Path, models: Sequence[Path], plan: Plan) -> str:
    """Return the text of a script that does what ``time_on_phone`` does, and leaves ``LOG_NAME``."""
    pushes = [f'adb push {_quoted(model)} "$folder/{index}.tflite"' for index, model in enumerate(models)]
    return _SCRIPT.format(
        script=SCRIPT_NAME,
        log=LOG_NAME,
        models=" ".join(map(_quoted, models)),
        folder=FOLDER,
        measure=SCRIPT.read_text(),
        binary=_quoted(binary),
        pushes="\n".join(pushes),
        rounds=_count(plan.rounds),
        numbers=" ".join(map(str, range(len(models)))),
        attempts=_count(plan.attempts),
        last=plan.attempts,
        runs=plan.runs,
        threads=plan.threads,
        pause=f"{plan.pause_s:g}",
    )


def write_script(path: Path, text: str) -> None:
    """Write the script; raises UserError where that can't be."""
    try:
        path.write_text(text)
    except OSError as error:
        raise UserError(f"{path} can't be written ({error.strerror}); go to a folder of your own") from error


def read_phone_log(path: Path, models: Sequence[Path]) -> dict[Path, list[Measurement]]:
    """Read what the script left.

    Args:
        path: the log.
        models: the files that were measured, in the same order as when the script was written.
    Raises:
        UserError: the log is missing, cut short, or of other files.
    """
    try:
        texts = split_measurements(path.read_text(errors="replace"))
    except OSError as error:
        raise UserError(f"--log {path}: {error.strerror}; give the file that {SCRIPT_NAME} wrote") from error
    results: dict[Path, list[Measurement]] = {model: [] for model in models}
    for number, text in enumerate(texts, 1):
        try:
            measurement = parse_measurement(text)
        except LogError as error:
            raise UserError(f"--log {path}: run {number}: {error}; run {SCRIPT_NAME} again") from error
        results[_model_of(measurement, models, path)].append(measurement)
    if len({len(rounds) for rounds in results.values()}) > 1 or not texts:
        raise UserError(f"--log {path} does not hold as many runs of each file; run {SCRIPT_NAME} to its end")
    return results


def _model_of(measurement: Measurement, models: Sequence[Path], path: Path) -> Path:
    target = measurement.flags.split()[0].removeprefix("--graph=")
    number = int(Path(target).stem)
    if number < len(models) and measurement.hashes.get(target, "") in ("", file_hash(models[number])):
        return models[number]
    raise UserError(f"--log {path} is of other files; name those that {SCRIPT_NAME} names, in its order")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path.resolve()))


def _count(number: int) -> str:
    return " ".join(map(str, range(1, number + 1)))
