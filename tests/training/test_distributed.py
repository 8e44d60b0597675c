import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub

from densevision.training.deferred import record, share_histories
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


def _share(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    hub = MessageHub(f"share {rank}")
    for value in ((2.0, 4.0), (1.0, 8.0))[rank]:
        record(hub, "train/loss", torch.tensor(value))
    for _ in range(1 + rank):  # of another length in each process
        record(hub, "train/grad_norm", torch.tensor(3.0))
    share_histories(hub)
    found = {name: buffer.data[0].tolist() for name, buffer in hub.log_scalars.items()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


def test_a_checkpoint_has_the_losses_of_all_processes(tmp_path):
    """So that the mean over processes is the same when all of them continue from it: (2 + 1) / 2, (4 + 8) / 2."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_share, args=(rank, tmp_path)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [one["train/loss"] for one in found] == [[1.5, 6.0]] * 2
    assert [one["train/grad_norm"] for one in found] == [[3.0], [3.0, 3.0]]
