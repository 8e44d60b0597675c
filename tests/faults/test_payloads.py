"""Payloads: no program starts, and nothing is written outside of the folder of the command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.folder import chdir
from tests.faults.guard import guarded
from tests.faults.payload_texts import NAMES
from tests.faults.payloads import PAYLOADS, Payload
from tests.faults.run import run_main

_QUICK = PAYLOADS[1::10]
_SLOW = [payload for payload in PAYLOADS if payload not in _QUICK]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("DENSEVISION_DATA", raising=False)


def test_the_guard_sees_what_it_forbids(tmp_path):
    (tmp_path / "in").mkdir()
    with guarded(tmp_path / "in", temporary=False) as found:
        (tmp_path / "in/a").write_text("")
        assert found == []
        (tmp_path / "pwned").write_text("")
        subprocess.run(["true"], check=True)
        os.system("true")
    assert [fault.split()[0] for fault in found] == ["open", "subprocess.Popen", "os.system"]


@pytest.mark.parametrize("payload", _QUICK, ids=lambda one: ascii(one.name)[1:81])
def test_a_payload(payload, good, tmp_path):
    assert fault_of(payload, good, tmp_path) is None


@pytest.mark.slow
@pytest.mark.parametrize("payload", _SLOW, ids=lambda one: ascii(one.name)[1:81])
def test_another_payload(payload, good, tmp_path):
    assert fault_of(payload, good, tmp_path) is None


def fault_of(payload: Payload, good: Path, place: Path) -> str | None:
    """Run a payload in a copy of the good setup, two folders below ``place``; return what is wrong, or None."""
    folder = place / "up" / "here"
    shutil.copytree(good, folder)
    payload.damage(folder)
    with chdir(folder), guarded(folder, temporary=True) as found:
        status, output, errors = run_main(payload.words)
    if found:
        return f"did {found[:3]}"
    canaries = [str(path) for path in place.rglob("*") if path.name == "pwned"]
    others = [path.name for one in (place, place / "up") for path in one.iterdir() if path.name not in ("up", "here")]
    if canaries or others:
        return f"made {canaries + others}"
    if "Traceback (most recent call last)" in output + errors:
        return f"traceback\n{errors[-2000:]}"
    return None if status in (0, 1, 2) else f"status {status}"


def test_a_script_for_the_phone_takes_names_as_names(tmp_path):
    """The script runs with an ``adb`` that prints its arguments: every name arrives as one argument."""
    from densevision.benchmark.phone.script import _quoted

    names = [name for name in NAMES if name.isprintable() and "/" not in name]
    with chdir(tmp_path):
        script = "\n".join(f"printf '%s\\0' {_quoted(Path(name))}" for name in names)
        done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True)
        assert done.stdout.split("\0")[:-1] == [str(tmp_path / name) for name in names]
    assert list(tmp_path.iterdir()) == []
