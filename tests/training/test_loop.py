import atexit
import multiprocessing
import os

import pytest
import torch

from densevision.errors import UserError
from densevision.training.stop import protect_worker
from tests.training.toy_runs import make_runner, train


@pytest.mark.parametrize(("interval", "evaluated"), [(4, [4, 8, 10]), (5, [5, 10]), (100, [10])])
def test_evaluations_come_at_intervals_and_at_the_end(tmp_path, interval, evaluated):
    runner = make_runner(tmp_path, "train_cfg.max_iters=10", f"train_cfg.val_interval={interval}")
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    assert [n for n in range(1, 11) if runner.train_loop.validates_at(n)] == evaluated


def test_a_training_without_validation_ends_with_a_checkpoint(tmp_path):
    overrides = [f"{key}=None" for key in ("val_dataloader", "val_cfg", "val_evaluator")]
    train(tmp_path, "train_cfg.max_iters=3", *overrides)
    assert (tmp_path / "last_checkpoint").read_text() == "iter_3.pth"


def test_workers_do_not_change_the_result(finished, tmp_path):
    train(tmp_path, "train_dataloader.num_workers=2", "val_dataloader.num_workers=1")
    weights = [torch.load(folder / "iter_40.pth")["state_dict"] for folder in (finished, tmp_path)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_fault_in_the_evaluation_shows_before_the_training(tmp_path):
    with pytest.raises(
        UserError, match="config, val_dataloader.dataset: Halves has no argument 'sizes'; did you mean size"
    ):
        train(tmp_path, "val_dataloader.dataset=dict(type='tests.training.toy_parts.Halves', sizes=1)")
    with pytest.raises(RuntimeError):
        train(tmp_path, "val_dataloader.dataset.side=5", "train_dataloader.dataset.size=22")
    assert not list(tmp_path.glob("iter_*"))


def spawned_worker():
    atexit.register(os._exit, 3)  # runs if the worker goes on to Python's finalization
    protect_worker(0)


def test_spawned_worker_ends_without_finalization():
    """Which may abort while torch still sends a batch: "DataLoader worker is killed by signal: Aborted"."""
    worker = multiprocessing.get_context("spawn").Process(target=spawned_worker)
    worker.start()
    worker.join(120)
    assert worker.exitcode == 0
