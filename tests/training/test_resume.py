import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from densevision.errors import UserError
from densevision.training.checkpoint import find_last_checkpoint
from densevision.training.curves import read_table
from densevision.training.runner import build_runner, load_config
from densevision.training.stop import TrainingStopped

CONFIG = Path(__file__).with_name("toy_config.py")
ROOT = CONFIG.parents[2]


def train(work_dir: Path, *overrides: str, resume: bool = False) -> None:
    config = load_config(CONFIG, overrides)
    config.work_dir, config.resume = str(work_dir), resume
    build_runner(config).train()


def in_another_process(work_dir: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "densevision.cli.main", "train", str(CONFIG), "--work-dir", str(work_dir)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, timeout=300, start_new_session=True)


def differing_tensors(one: object, other: object, place: str = "") -> list[str]:
    """Places of all values that are not equal bit for bit."""
    if isinstance(one, dict):
        keys = [place] if one.keys() != other.keys() else []
        return keys + [p for key in one for p in differing_tensors(one[key], other[key], f"{place}.{key}")]
    if isinstance(one, list | tuple):
        return [p for i, pair in enumerate(zip(one, other, strict=True)) for p in differing_tensors(*pair, f"{place}.{i}")]
    same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if same else [place]


def assert_same_training(one: Path, other: Path) -> None:
    first, second = (torch.load(folder / "iter_40.pth", weights_only=True) for folder in (one, other))
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert differing_tensors(first[part], second[part], part) == []
    assert (one / "curves.csv").read_text() == (other / "curves.csv").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder)
    return folder


def test_two_trainings_with_one_seed_are_equal_and_another_seed_is_not(uninterrupted, tmp_path):
    train(tmp_path / "again")
    assert_same_training(uninterrupted, tmp_path / "again")
    train(tmp_path / "other", "randomness.seed=1")
    weights = [torch.load(folder / "best.pth")["state_dict"] for folder in (uninterrupted, tmp_path / "other")]
    assert differing_tensors(*weights)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("iteration", [7, 20])
def test_a_signal_ends_the_iteration_and_resume_continues_exactly(uninterrupted, tmp_path, number, iteration):
    with pytest.raises(TrainingStopped) as stopped:
        train(tmp_path, f"custom_hooks.0.at={iteration}", f"custom_hooks.0.number={int(number)}")
    assert (stopped.value.signal_number, stopped.value.iteration) == (number, iteration)
    assert find_last_checkpoint(tmp_path).name == f"iter_{iteration}.pth"
    train(tmp_path, resume=True)
    assert_same_training(uninterrupted, tmp_path)


def test_a_signal_during_an_evaluation_repeats_it_after_resume(uninterrupted, tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, "custom_hooks.0.at=20", "custom_hooks.0.when=evaluation")
    assert "toy/accuracy" not in read_table(tmp_path / "curves.csv")[-1]
    train(tmp_path, resume=True)
    assert_same_training(uninterrupted, tmp_path)


def test_resume_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no checkpoint in .*leave --resume out"):
        train(tmp_path, resume=True)


def test_resume_after_the_work_dir_was_moved(uninterrupted, tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path / "here", "custom_hooks.0.at=13")
    (tmp_path / "here").rename(tmp_path / "there")
    train(tmp_path / "there", resume=True)
    assert_same_training(uninterrupted, tmp_path / "there")


def test_another_model_or_optimizer_cannot_resume(tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, "custom_hooks.0.at=3")
    with pytest.raises(UserError, match=r"iter_3.pth .* classify.weight is \[2, 64\] there and \[3, 64\] here"):
        train(tmp_path, "model.num_classes=3", resume=True)
    with pytest.raises(UserError, match="iter_3.pth does not fit this config's optimizer"):
        train(tmp_path, "optim_wrapper.constructor=DefaultOptimWrapperConstructor", resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_kill_9_then_resume_in_real_processes(uninterrupted, tmp_path, workers):
    loader = f"train_dataloader.num_workers={workers}"
    killed = in_another_process(
        tmp_path, "--cfg-options", loader, "custom_hooks.0.at=27", "custom_hooks.0.number=9"
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert find_last_checkpoint(tmp_path).name == "iter_20.pth"
    resumed = in_another_process(tmp_path, "--resume", "--cfg-options", loader)
    assert resumed.returncode == 0, resumed.stderr
    assert_same_training(uninterrupted, tmp_path)


@pytest.mark.slow
def test_ctrl_c_in_a_real_process_group_with_workers(uninterrupted, tmp_path):
    loader = "train_dataloader.num_workers=2"
    stopped = in_another_process(
        tmp_path, "--cfg-options", loader, "custom_hooks.0.at=13", "custom_hooks.0.group=True"
    )
    assert stopped.returncode == 130, stopped.stderr
    assert "stopped by SIGINT at iteration 13; the same command with --resume" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert in_another_process(tmp_path, "--resume", "--cfg-options", loader).returncode == 0
    assert_same_training(uninterrupted, tmp_path)
