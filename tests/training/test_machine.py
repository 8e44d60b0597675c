"""Trainings on a machine that fails: standard output, shared memory, open files, memory, killed workers, locales."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.training.toy_runs import CONFIG, ROOT

pytestmark = pytest.mark.slow
TRAIN = f'exec "{sys.executable}" -m densevision train "{CONFIG}" --work-dir'
WORKERS = "train_dataloader.num_workers=1 val_dataloader.num_workers=1"


def run(folder, script, **environment):
    """Run a script of bash in a folder; return exit status, output and errors."""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "output",
    ["| head -1; exit ${PIPESTATUS[0]}", ">&-", ">/dev/full", "2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}", "2>&-"],
    ids=["head", "closed", "full disk", "errors of nobody", "errors closed"],
)
def test_a_training_needs_no_standard_output(tmp_path, output):
    words = TRAIN.removeprefix("exec ") if "|" in output else TRAIN
    status, _, errors = run(tmp_path, f"{words} run {output}")
    assert status == 0, errors
    assert (tmp_path / "run/best.pth").is_file() and (tmp_path / "run/report.html").is_file()


def test_a_locale_without_letters(tmp_path):
    plain = dict(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    status, output, errors = run(tmp_path, f"{TRAIN} 'gr\u00fcn \u0436'", **plain)
    assert status == 0 and "gr\\udcc3\\udcbcn" in output, errors
    assert (tmp_path / "gr\u00fcn \u0436" / "best.pth").is_file()


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="mounts a file system")
@pytest.mark.parametrize("size", ["4k", "32k"])
def test_full_shared_memory_is_named_within_seconds(tmp_path, size):
    script = f"mount -t tmpfs -o size={size} t /dev/shm && {TRAIN} run --cfg-options {WORKERS}"
    started = time.monotonic()
    status, _, errors = run(tmp_path, f"exec unshare -m bash -c '{script}'")
    last = errors.strip().splitlines()[-1]
    assert status == 1 and "/dev/shm" in last and "num_workers=0" in last, errors
    assert time.monotonic() - started < 300  # it waited for ever; most of it is the start of Python


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="mounts a file system")
def test_the_remedy_for_shared_memory_works(tmp_path):
    script = f"mount -t tmpfs -o size=4k t /dev/shm && {TRAIN} run"
    status, _, errors = run(tmp_path, f"exec unshare -m bash -c '{script}'")
    assert status == 0, errors


def test_little_memory_is_one_line(tmp_path):
    for kilobytes in (1_000_000, 3_000_000):
        status, _, errors = run(tmp_path, f"ulimit -v {kilobytes}; {TRAIN} run")
        assert status in (0, 1), errors
        assert status == 0 or "memory" in errors.strip().splitlines()[-1], errors


def test_few_open_files(tmp_path):
    status, _, errors = run(tmp_path, f"ulimit -n 64; {TRAIN} run --cfg-options {WORKERS}")
    assert status == 0 or status == 1 and "ulimit -n" in errors.strip().splitlines()[-1], errors


def test_a_killed_worker_is_one_line_and_the_training_resumes(tmp_path):
    words = f"custom_hooks.0.when=worker custom_hooks.0.at=15 custom_hooks.0.number=9 {WORKERS}"
    status, _, errors = run(tmp_path, f"{TRAIN} run --cfg-options {words}")
    assert status == 1 and "a loader worker was killed" in errors.strip().splitlines()[-1], errors
    status, _, errors = run(tmp_path, f"{TRAIN} run --resume")
    assert status == 0 and (tmp_path / "run/iter_40.pth").is_file(), errors
