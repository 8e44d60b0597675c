"""One, two and four processes train on the same samples, to the same losses; restarts change neither."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from densevision.errors import UserError
from densevision.training.process import start_processes
from densevision.training.restart import continues
from tests.training.test_distributed import HERE

BATCH, ITERATIONS = 8, 12  # of the toy configs


def train(folder: Path, task: str, processes: int, *options: str, words=(), launch=(), job=None, status=0) -> str:
    """Train a toy config, with the same images per step in any number of processes."""
    command = ["-m", "densevision.cli.main", "train", HERE / f"toy_{task}_config.py", "--work-dir", folder, *words]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *launch]
        command = [*launcher, *command, "--launcher", "pytorch"]
    settings = [f"train_dataloader.batch_size={BATCH // processes}", *options]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1", **(job or {})}
    done = subprocess.run(
        [sys.executable, *map(str, command), "--cfg-options", *settings],
        env=environment,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def losses(folder: Path) -> list[float]:
    with open(folder / "curves.csv") as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["loss"]]


def seen(folder: Path) -> dict[int, set[int]]:
    """Images of each iteration, over all processes."""
    batches: dict[int, set[int]] = {}
    for path in folder.glob("seen_*.txt"):
        for line in path.read_text().splitlines():
            iteration, *images = map(int, line.split())
            batches.setdefault(iteration, set()).update(images)
    return batches


def figures(output: str) -> str:
    return re.findall(r"evaluation: (toy/\S+ \S+  toy/\S+ \S+  toy/\S+ \S+)", output)[-1]


@pytest.fixture(scope="module", params=["detection", "segmentation"])
def alone(request, tmp_path_factory):
    """A training in one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    return request.param, folder, train(folder, request.param, 1)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_have_the_losses_and_the_metrics_of_one(alone, tmp_path, processes):
    task, folder, output = alone
    many = train(tmp_path / "run", task, processes)
    assert seen(tmp_path / "run") == seen(folder)
    assert len(losses(folder)) == ITERATIONS
    assert losses(tmp_path / "run") == pytest.approx(losses(folder), rel=2e-5)
    assert figures(many) == figures(output) == "toy/number 13.000  toy/total 78.000  toy/distinct 13.000"


@pytest.mark.slow
def test_a_resume_in_other_processes_continues_with_the_same_samples(alone, tmp_path):
    task, folder, _ = alone
    run = tmp_path / "run"
    train(run, task, 2, "train_cfg.max_iters=5")
    output = train(run, task, 4, words=["--resume"])
    assert "processes: 2 -> 4, from here on" in output
    output = train(run, task, 1, "train_cfg.max_iters=14", words=["--resume"])
    assert {number: seen(run)[number] for number in range(ITERATIONS)} == seen(folder)
    assert losses(run)[:ITERATIONS] == pytest.approx(losses(folder), rel=2e-5)


@pytest.mark.slow
def test_a_failed_job_that_is_started_again_continues_by_itself(alone, tmp_path):
    """With torchrun's variables, as ``--max-restarts`` sets them."""
    task, folder, _ = alone
    options = ["custom_hooks.2.at=9", "default_hooks.checkpoint.interval=4"]
    job = dict(TORCHELASTIC_RUN_ID="17", TORCHELASTIC_RESTART_COUNT="0")
    assert "a machine failed" in train(tmp_path / "run", task, 1, *options, job=job, status=1)
    output = train(tmp_path / "run", task, 1, *options, job=dict(job, TORCHELASTIC_RESTART_COUNT="1"))
    assert "iter_8.pth, iteration 8 of 12" in output
    assert seen(tmp_path / "run") == seen(folder)
    assert losses(tmp_path / "run") == pytest.approx(losses(folder), rel=2e-5)


@pytest.mark.slow
def test_torchrun_starts_a_training_again_after_a_process_was_killed(alone, tmp_path):
    task, folder, _ = alone
    options = ["custom_hooks.2.at=9", "custom_hooks.2.kill=True", "default_hooks.checkpoint.interval=4"]
    restarts, job = ["--max-restarts=1"], dict(TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")
    output = train(tmp_path / "run", task, 2, *options, launch=restarts, job=job)
    assert "exitcode: -9" in output and "iter_8.pth, iteration 8 of 12" in output
    assert seen(tmp_path / "run") == seen(folder)
    assert losses(tmp_path / "run") == pytest.approx(losses(folder), rel=2e-5)


@pytest.mark.parametrize(
    ("restarts", "shared", "refused"), [("1", "True", True), ("1", "False", False), ("0", "True", False)]
)
def test_restarts_with_the_addresses_of_the_first_start_are_refused(monkeypatch, restarts, shared, refused):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", restarts)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", shared)
    with pytest.raises(UserError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE" if refused else "without a GPU"):
        start_processes(Config(dict(launcher="none")))


@pytest.mark.slow
def test_the_rate_is_scaled_by_all_processes(tmp_path):
    options = ["auto_scale_lr=True", "total_batch=16", "train_cfg.max_iters=2"]
    output = train(tmp_path / "run", "detection", 2, *options)
    assert "learning rate 0.02 for 16 images per step, scaled to 0.01 for 8" in output
    assert output.count("scaled to") == 1


class TestRestart:
    @pytest.fixture
    def environment(self, monkeypatch):
        for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"):
            monkeypatch.delenv(name, raising=False)
        return monkeypatch

    def test_only_a_restart_of_the_same_job_continues(self, environment, finished, tmp_path):
        environment.setenv("SLURM_JOB_ID", "7")
        from tests.training.toy_runs import FAST, train

        train(tmp_path, *FAST)
        assert not continues(tmp_path)
        environment.setenv("SLURM_RESTART_COUNT", "1")
        assert continues(tmp_path) and not continues(tmp_path / "empty")
        assert not continues(finished)  # an earlier training, of no job
        environment.setenv("SLURM_JOB_ID", "8")
        assert not continues(tmp_path)

    def test_a_restart_without_a_job_is_none(self, environment, finished):
        assert not continues(finished)
