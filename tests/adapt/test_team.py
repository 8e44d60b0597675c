"""A search over several processes has the history of one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from densevision.adapt.team import Team, _read_slurm, join
from densevision.adapt.work import Base, Job
from densevision.errors import UserError
from tests.adapt.test_kill import prepare
from tests.adapt.test_search import start  # noqa: F401  a fixture

ROOT = Path(__file__).parents[2]
CODE = """
import os, sys
from pathlib import Path
from densevision.adapt.team import Team, join
from tests.adapt.test_search import Device, search
start, folder, table = map(Path, sys.argv[1:4])
job = search(start, folder, Device(table), target="0.9x", resume=(folder / "state.json").exists())
job.team = team = Team(job.worker.score, join("pytorch"))
if team.rank:
    team.serve()
else:
    score, seen = job.worker.score, []
    def fail(job):
        seen.append(job)
        if len(seen) > int(sys.argv[4]):
            os._exit(9)
        return score(job)
    team._score = fail
    try:
        job.run(lambda row: None)
    finally:
        team.end()
"""
JOBS = [Job(1, name, None, Base("seed", None), train=False) for name in "abc"]


def run(start, folder, processes, stop_after=1000):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fixed = dict(WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    words = [sys.executable, "-c", CODE, str(start), str(folder), str(folder / "table.json"), str(stop_after)]
    started = [
        subprocess.Popen(words, cwd=ROOT, env=os.environ | fixed | dict(RANK=str(rank)), stderr=subprocess.DEVNULL)
        for rank in range(processes)
    ]
    return [process.wait() for process in started]


@pytest.mark.slow
def test_two_processes_find_what_one_finds_also_after_an_interruption(start, tmp_path):  # noqa: F811
    one, two = prepare(tmp_path / "one"), prepare(tmp_path / "two")
    assert run(start, one, 1) == [0]
    stopped = run(start, two, 2, stop_after=5)
    assert stopped[0] == 9 and stopped[1] != 0
    assert run(start, two, 2) == [0, 0]
    for name in ("history.csv", "state.json"):
        assert (two / name).read_bytes() == (one / name).read_bytes()


def test_one_process_does_all_jobs_in_their_order():
    team = Team(lambda job: {"a": 1.0, "b": 2.0, "c": 3.0}[job.name])
    assert [(job.name, score) for job, score in team.scores(JOBS)] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


def test_a_launcher_that_started_nothing_is_named(monkeypatch):
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="--launcher pytorch: this process was not started by torchrun"):
        join("pytorch")
    with pytest.raises(UserError, match="--launcher slurm: this process was not started by srun"):
        join("slurm")


def test_slurms_variables_become_those_of_torchrun(monkeypatch, tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$3" = "node[1-2]" ] && echo node1 && echo node2\n')
    scontrol.chmod(0o755)
    slurm = dict(SLURM_PROCID="3", SLURM_NTASKS="4", SLURM_LOCALID="1", SLURM_NODELIST="node[1-2]")
    for name, value in (slurm | dict(PATH=f"{tmp_path}:{os.environ['PATH']}")).items():
        monkeypatch.setenv(name, value)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "?")  # so that it is restored
        monkeypatch.delenv(name)
    _read_slurm()
    found = [os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")]
    assert found == ["3", "4", "1", "node1"]
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(UserError, match="scontrol does not list the nodes"):
        _read_slurm()
