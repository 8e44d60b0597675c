import signal
import time
from pathlib import Path

import pytest
import torch

from densevision.errors import UserError
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.curves import read_table
from densevision.training.stop import TrainingStopped
from tests.training.toy_runs import CONFIG, command, finish, start_process, train


def differing(one: object, other: object, place: str = "") -> list[str]:
    """Places of all values that are not equal bit for bit."""
    if isinstance(one, dict):
        keys = [place] if one.keys() != other.keys() else []
        return keys + [p for key in one for p in differing(one[key], other[key], f"{place}.{key}")]
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=True)
        return [p for i, pair in enumerate(pairs) for p in differing(*pair, f"{place}.{i}")]
    same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if same else [place]


def assert_same_training(one: Path, other: Path) -> None:
    first, second = (torch.load(folder / "iter_40.pth", weights_only=True) for folder in (one, other))
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert differing(first[part], second[part], part) == []
    assert (one / "curves.csv").read_text() == (other / "curves.csv").read_text()


def running_in_group(leader: int) -> list[str]:
    """Process ids of the group that are no zombies."""
    running = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended meanwhile
            continue
        if int(group) == leader and state != "Z":
            running.append(stat.parent.name)
    return running


def test_two_trainings_with_one_seed_are_equal_and_another_seed_is_not(finished, tmp_path):
    train(tmp_path / "again")
    assert_same_training(finished, tmp_path / "again")
    train(tmp_path / "other", "randomness.seed=1")
    weights = [torch.load(folder / "best.pth")["state_dict"] for folder in (finished, tmp_path / "other")]
    assert differing(*weights)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("iteration", [7, 20])
def test_a_signal_ends_the_iteration_and_resume_continues_exactly(finished, tmp_path, number, iteration):
    with pytest.raises(TrainingStopped) as stopped:
        train(tmp_path, f"custom_hooks.0.at={iteration}", f"custom_hooks.0.number={int(number)}")
    assert (stopped.value.signal_number, stopped.value.iteration) == (number, iteration)
    assert find_last_checkpoint(tmp_path).name == f"iter_{iteration}.pth"
    train(tmp_path, resume=True)
    assert_same_training(finished, tmp_path)


def test_a_signal_during_an_evaluation_repeats_it_after_resume(finished, tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, "custom_hooks.0.at=20", "custom_hooks.0.when=evaluation")
    last = read_table(tmp_path / "curves.csv")[-1]
    assert last["iteration"] == 20 and "toy/accuracy" not in last
    train(tmp_path, resume=True)
    assert_same_training(finished, tmp_path)


def test_signal_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped):
        train(tmp_path, "custom_hooks.0.at=2")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_resume_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no checkpoint in .*omit --resume"):
        train(tmp_path, resume=True)


def test_resume_after_the_work_dir_was_moved(finished, tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path / "here", "custom_hooks.0.at=13")
    (tmp_path / "here").rename(tmp_path / "there")
    train(tmp_path / "there", resume=True)
    assert_same_training(finished, tmp_path / "there")


def test_another_model_or_optimizer_cannot_resume(tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, "custom_hooks.0.at=3")
    with pytest.raises(UserError, match=r"iter_3.pth .* classify.weight \(2x64 there and 3x64 here\)"):
        train(tmp_path, "model.num_classes=3", resume=True)
    with pytest.raises(UserError, match="iter_3.pth does not fit this config's optimizer"):
        train(tmp_path, "optim_wrapper.constructor=DefaultOptimWrapperConstructor", resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_kill_9_leaves_no_process_and_resume_continues_exactly(finished, tmp_path, workers):
    loader = f"train_dataloader.num_workers={workers}"
    killing = ["custom_hooks.0.at=27", "custom_hooks.0.number=9"]
    words = ["-m", "densevision.cli.main", "train", CONFIG, "--work-dir", tmp_path, "--cfg-options", loader]
    process = start_process(*words, *killing)
    status, _, errors = finish(process)
    assert status == -signal.SIGKILL, errors
    time.sleep(0.5)
    assert running_in_group(process.pid) == []
    assert find_last_checkpoint(tmp_path).name == "iter_20.pth"
    status, _, errors = command(tmp_path, "--resume", "--cfg-options", loader)
    assert status == 0, errors
    assert_same_training(finished, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_whole_group_with_workers(finished, tmp_path, number):
    loader = "train_dataloader.num_workers=2"
    sending = ["custom_hooks.0.at=13", "custom_hooks.0.group=True", f"custom_hooks.0.number={int(number)}"]
    status, _, errors = command(tmp_path, "--cfg-options", loader, *sending)
    assert status == 128 + number, errors
    assert f"stopped by {number.name} at iteration 13; the same command with --resume" in errors
    assert "Traceback" not in errors
    status, _, errors = command(tmp_path, "--resume", "--cfg-options", loader)
    assert status == 0, errors
    assert_same_training(finished, tmp_path)
