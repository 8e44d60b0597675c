"""Every change of a file fails once, with each fault that a disk has: one line, nothing half-written, inputs kept."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from pathlib import Path

import pytest

from tests.faults.folder import chdir
from tests.faults.intercept import watched
from tests.faults.run import listing, run_main

DET = "det_run/best.pth"
FAULTS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
COMMANDS = {
    "train": ("train", "det.py", "--work-dir", "out", "--quiet"),
    "train seg": ("train", "seg.py", "--work-dir", "out", "--quiet"),
    "test": ("test", DET, "--work-dir", "out", "--json", "out.json"),
    "export": ("export", DET, "--out", "m.tflite"),
    "predict": ("predict", "seg.tflite", "photos", "--json", "out.json", "--csv", "out.csv"),
    "demo": ("demo", "seg.tflite", "--input", "video.avi", "--out", "o.mp4", "--json", "o.json"),
    "new": ("new", "boxes/train.json", "--name", "mine", "--weights", "none"),
    "check": ("check", "det.py", "--json", "out.json"),
    "browse": ("browse", "det.py", "--out", "out.html"),
    "compare": ("compare", "det_run", "seg_run", "--json", "out.json", "--html", "out.html"),
    "benchmark": ("benchmark", "seg.tflite", "--runs", "1", "--json", "out.json"),
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("DENSEVISION_DATA", raising=False)


@pytest.mark.parametrize("name", ["predict", "check"])
def test_the_first_changes_fail(name, good, tmp_path):
    faults = [fault_of(name, number, errno.ENOSPC, good, tmp_path / str(number)) for number in (1, 2)]
    assert set(faults) <= {None, "no such change"} and faults[0] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_change_fails_once(name, good, tmp_path):
    faults, codes = [], itertools.cycle(FAULTS)
    for number in range(1, 400):
        fault = fault_of(name, number, next(codes), good, tmp_path / "x")
        if fault == "no such change":
            break
        faults += [fault] if fault else []
    assert number > 1 and faults == []


def fault_of(name: str, number: int, code: int, good: Path, folder: Path) -> str | None:
    """Let the change of a number fail in a copy of the good setup; return what is wrong, or None."""
    shutil.copytree(good, folder)
    before, count, failed = listing(folder), itertools.count(1), []

    def fail(event: str, path: Path) -> None:
        if "__pycache__" not in str(path) and next(count) == number:
            failed.append(f"{event} {path.relative_to(folder.resolve())}, {errno.errorcode[code]}")
            raise OSError(code, os.strerror(code), str(path))

    with chdir(folder), watched(folder, fail):
        status, output, errors = run_main(COMMANDS[name])
    after = listing(folder)
    shutil.rmtree(folder)
    if not failed:
        return "no such change"
    wrong = _judge(status, output, errors)
    changed = [one for one in before if before[one] != after.get(one)]
    left = [one for one in after if ".part" in one or ".tmp" in one or "/.probe" in one]
    if wrong or changed or left:
        return f"{failed[0]}: {wrong or ''} changed {changed} left {left}"
    return None


def _judge(status: int, output: str, errors: str) -> str | None:
    if "Traceback (most recent call last)" in output + errors:
        return f"traceback {errors[-1500:]}"
    if status not in (0, 1, 2):
        return f"status {status}"
    last = (errors.strip().splitlines() or [""])[-1]
    return None if status == 0 or last.startswith("densevision: error: ") else f"says {last[:300]!r}"
