import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from densevision.training.loop import average_statistics

HERE = Path(__file__).parent
CONFIG = str(HERE / "toy_config.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


def run(*words: object, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metrics_of(output: str) -> dict:
    return json.loads(output.strip().splitlines()[-1])


def test_statistics_of_one_process_stay_as_they_are():
    norm = torch.nn.BatchNorm2d(2)
    norm.running_mean.copy_(torch.tensor([1.5, -2.0]))
    average_statistics(norm)
    assert norm.running_mean.tolist() == [1.5, -2.0]
    assert norm.running_var.tolist() == [1.0, 1.0]


def test_a_process_ends_gloo_threads_before_itself(tmp_path):
    """One that did not aborted now and then, after all its work."""
    script = """
import atexit, os, time
from mmengine.config import Config
from densevision.training.process import start_processes
atexit.register(lambda: print([name for name in names() if "gloo" in name]))  # runs last
def names():
    return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
start_processes(Config(dict(launcher="pytorch")))
deadline = time.monotonic() + 10
while not any("gloo" in name for name in names()) and time.monotonic() < deadline:  # a new thread gets its name late
    time.sleep(0.01)
print(sum("gloo" in name for name in names()) > 0)
"""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"]
    (tmp_path / "script.py").write_text(script)
    assert run(*torchrun, tmp_path / "script.py", folder=tmp_path).split() == ["True", "[]"]


@pytest.mark.slow
def test_two_processes_train_and_measure_what_one_measures(tmp_path):
    train = [
        "-m",
        "densevision.cli.main",
        "train",
        CONFIG,
        "--work-dir",
        tmp_path / "run",
        "--launcher",
        "pytorch",
    ]
    # few iterations and a small rate: an accuracy of 1 would hide a wrong metric
    options = ["train_cfg.max_iters=12", "train_cfg.val_interval=6", "optim_wrapper.optimizer.lr=1e-6"]
    output = run(*TORCHRUN, *train, "--cfg-options", *options, folder=tmp_path)
    checkpoint = tmp_path / "run" / "iter_12.pth"
    measure = [HERE / "evaluate.py", CONFIG, tmp_path / "test", checkpoint]
    one = metrics_of(run(*measure, folder=tmp_path))
    assert metrics_of(run(*TORCHRUN, *measure, folder=tmp_path)) == one
    assert f"iter 12/12  evaluation: toy/accuracy {one['toy/accuracy']:.3f}" in output
    assert 0.4 < one["toy/accuracy"] < 1
    assert not (tmp_path / ".dist_test").exists()
