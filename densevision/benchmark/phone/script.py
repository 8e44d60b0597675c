"""A shell script that measures where the phone is, and its log read back. Needs nothing but adb there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from densevision.atomic import write_whole
from densevision.benchmark.phone.driver import FOLDER, MEASURE, Plan
from densevision.benchmark.phone.log import LogError
from densevision.benchmark.phone.measurement import Measurement, OtherFileError, read_measurements
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
adb shell "{command}" < /dev/null | tee {log} | sed -n 's/^@note/model/p'
if tail -n 1 {log} | grep -q '^@end' && ! grep -q '^@exit [1-9]' {log}; then
  echo "wrote {log}"
else
  echo "the measurement failed, see {log}" >&2
  exit 1
fi
"""


def phone_script(binary: Path, models: Sequence[Path], plan: Plan) -> str:
    """Return the text of a script that does the same as ``time_on_phone``, and leaves ``LOG_NAME``.

    Raises:
        UserError: a file's name has a newline or another control character.
    """
    for path in (binary, *models):
        if not str(path.resolve()).isprintable():  # a newline would end a comment of the script, and run what follows
            raise UserError(f"{str(path)!r} has control characters in its name; rename the file")
    pushes = [f'adb push {_quoted(model)} "$folder/{index}.tflite"' for index, model in enumerate(models)]
    return _SCRIPT.format(
        script=SCRIPT_NAME,
        log=LOG_NAME,
        models=" ".join(map(_quoted, models)),
        folder=FOLDER,
        measure=MEASURE.read_text(),
        binary=_quoted(binary),
        pushes="\n".join(pushes),
        command=plan.command(len(models)),
    )


def write_script(path: Path, text: str) -> None:
    """Write the script whole or not at all; raises UserError if that is not possible."""
    try:
        write_whole(path, text.encode())
    except UserError as error:
        raise UserError(f"{error}; change to a folder of yours") from error


def read_phone_log(path: Path, models: Sequence[Path]) -> dict[Path, list[Measurement]]:
    """Read the log of the script.

    Args:
        path: the log.
        models: the files that were measured, in the same order as when the script was written.
    Raises:
        UserError: the log is missing, cut short, or of other files.
    """
    try:
        return read_measurements(path.read_text(errors="replace"), models)
    except OSError as error:
        raise UserError(f"--log {path}: {error.strerror}; give the file that {SCRIPT_NAME} wrote") from error
    except OtherFileError as error:
        raise UserError(f"--log {path} is of other files; give the ones in {SCRIPT_NAME}, in its order") from error
    except LogError as error:
        raise UserError(f"--log {path}: {error}; run {SCRIPT_NAME} again") from error


def _quoted(path: Path) -> str:
    return shlex.quote(str(path.resolve()))
