"""kill -9 at random moments of a search changes nothing in its history."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.adapt.test_search import start  # noqa: F401  a fixture

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from tests.adapt.test_search import Device, search
start, folder, table = map(Path, sys.argv[1:])
print("started", flush=True)
job = search(start, folder, Device(table), target="0.8x", resume=(folder / "state.json").exists())
job.run(lambda row: None)
"""


def begin(start, folder):  # noqa: F811
    words = [sys.executable, "-c", CODE, str(start), str(folder), str(folder / "table.json")]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "started\n"
    return process


def prepare(folder):
    folder.mkdir()
    for name in ("seed", *(f"step_{number:02d}" for number in range(1, 9))):
        (folder / f"{name}.tflite").write_bytes(b"never read")
    return folder


@pytest.mark.slow
def test_kill_9_at_ten_random_moments(start, tmp_path):  # noqa: F811
    whole, killed = prepare(tmp_path / "whole"), prepare(tmp_path / "killed")
    began = time.monotonic()
    assert begin(start, whole).wait() == 0
    duration = time.monotonic() - began
    chance = random.Random(0)
    kills = 0
    while True:
        process = begin(start, killed)
        if kills == 10:
            assert process.wait() == 0
            break
        try:
            process.wait(chance.uniform(0, duration / 3))
            break  # it has finished
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 2
    assert (killed / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    assert (killed / "state.json").read_bytes() == (whole / "state.json").read_bytes()
