"""A library call leaves the caller's process as it was."""

import subprocess
import sys
from pathlib import Path

import pytest

DETERMINISTIC = "randomness=dict(seed=1, deterministic=True)"


@pytest.mark.parametrize("options", [(), pytest.param((DETERMINISTIC, "export"), marks=pytest.mark.slow)])
def test_library_calls_change_nothing_in_the_process(tmp_path, options):
    command = [sys.executable, "-m", "tests.process_state", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert "CHANGED" not in done.stdout, done.stdout
    more_kb = int(done.stdout.rpartition("ADDRESS SPACE IN KB ")[2])
    assert more_kb < 4 * 2**20  # tune_process reserves half of the memory
