"""Every kind of bad input of the table, in one process through ``main``; some of them through the real command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter

import pytest

from tests.faults import (
    checkpoint_rows,
    class_rows,
    command_rows,
    config_rows,
    data_rows,
    image_rows,
    later_rows,
    option_rows,
    relative_file_rows,
    settings_rows,
    tflite_rows,
    value_rows,
)
from tests.faults.row import Row
from tests.faults.run import fault_of, judge

pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
_TABLES = (
    *(config_rows, option_rows, checkpoint_rows, tflite_rows, data_rows, class_rows),
    *(settings_rows, value_rows, command_rows, relative_file_rows, later_rows, image_rows),
)
ROWS: list[Row] = [row for table in _TABLES for row in table.ROWS]
_QUICK, _SLOW = [row for row in ROWS if row.quick], [row for row in ROWS if not row.quick]
REAL = [row for row in _QUICK if "\0" not in "".join(row.words)][::3][:20]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("DENSEVISION_DATA", raising=False)


def test_the_table_is_large_and_its_rows_have_names_of_their_own():
    assert len(ROWS) >= 1500 and len(_QUICK) >= 60
    assert not [name for name, count in Counter(row.id for row in ROWS).items() if count > 1]
    assert len(REAL) == 20


@pytest.mark.parametrize("row", _QUICK, ids=lambda row: row.id[:80])
def test_a_kind_of_bad_input(row, good, tmp_path):
    assert fault_of(row, good, tmp_path / "x") is None


@pytest.mark.slow
@pytest.mark.parametrize("row", _SLOW, ids=lambda row: row.id[:80])
def test_another_kind_of_bad_input(row, good, tmp_path):
    assert fault_of(row, good, tmp_path / "x") is None


@pytest.mark.slow
@pytest.mark.parametrize("row", REAL, ids=lambda row: row.id[:80])
def test_the_real_command_ends_the_same_way(row, good, tmp_path):
    folder = tmp_path / "x"
    shutil.copytree(good, folder)
    if row.damage is not None:
        row.damage(folder)
    words = [sys.executable, "-m", "densevision", *row.words]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert judge(row, done.returncode, done.stdout, done.stderr) is None
