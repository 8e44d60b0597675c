"""Trainings that ``kill -9`` ends at a change of a file, half of it written, or at any instant, and their resume."""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.killing import Chain, Kill, differs, run, run_here, write_data

IN_A_CHAIN = 5  # kills of one training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the data and the configs."""
    folder = tmp_path_factory.mktemp("kills")
    os.environ.pop("DENSEVISION_DATA", None)
    write_data(folder)
    return folder


def test_five_kills(folder):
    """With the start of every process, its first checkpoint, the removal of an older one, and an evaluation."""
    changes = _train_whole(folder, "det", 1)
    chain = Chain(folder, "det", "killed")
    kills = [Kill(changes // 3), Kill(changes // 2, half=True), Kill(17), Kill(23, half=True), Kill(seconds=0.5)]
    assert [chain.run(kill) for kill in kills] == [True] * 5
    chain.run()
    assert differs(chain.work, folder / "det_whole_1") is None


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", ["det", "seg"])
def test_twenty_five_kills(folder, name, processes):
    """Four times 25: a training is killed up to five times, two of three at a change of a file."""
    changes = _train_whole(folder, name, processes)
    draw = random.Random(f"{name} {processes}")
    done = 0
    for number in range(100):
        chain = Chain(folder, name, f"{name}_{processes}_{number}", processes=processes)
        killed = 0
        while killed < IN_A_CHAIN and done < 25 and chain.run(_kill(draw, changes, processes)):
            killed, done = killed + 1, done + 1
        chain.run()
        assert differs(chain.work, folder / f"{name}_whole_{processes}") is None, (number, killed)
        print(f"{name}, {processes} processes: {done} kills", flush=True)
        if done == 25:
            return
    pytest.fail(f"only {done} kills")


def _train_whole(folder, name: str, processes: int) -> int:
    words = ["train", f"{name}.py", "--work-dir", f"{name}_whole_{processes}", "--quiet"]
    if processes == 1:
        return run_here(folder, words)
    statuses, changes, _ = run(folder, words, processes=processes)
    assert set(statuses) == {0}, (folder / "log_0").read_text()[-2000:]
    return changes


def _kill(draw: random.Random, changes: int, processes: int) -> Kill:
    rank = draw.randrange(processes)
    if rank or draw.random() < 1 / 3:  # only the first process changes files
        return Kill(seconds=draw.uniform(0.1, 6), rank=rank)
    return Kill(draw.randint(1, changes), half=draw.random() < 0.5)
