"""A schedule that is scaled to a time limit."""

import time

import pytest
import torch

from densevision.errors import UserError
from densevision.training.lengths import Length
from densevision.training.pace import Speed, evaluations_left, fit
from densevision.training.stop import TrainingStopped
from densevision.training.time_limit import TimeLimit, undone
from tests.training.test_resume import differing
from tests.training.toy_runs import make_runner, train

LIMITED = ("train_cfg.max_time=60s", "default_hooks.curves=None")


def test_iterations_and_evaluations_fill_the_time():
    # 100 s: 4 evaluations of 5 s leave 80 s, 160 iterations of 0.5 s
    assert fit(100, Speed(0.5, 5), 0, 4) == Length(160, 40)
    assert fit(100, Speed(0.5), 0, 0) == Length(200, 200)
    assert fit(10, Speed(0.5, 60), 0, 1) == Length(1, 1)
    # evaluations take a quarter of the time at most, but there is always one
    assert [Speed(0.5, seconds).affordable(100) for seconds in (0.1, 5, 24, 60)] == [250, 5, 1, 1]


def test_the_rest_fits_the_time_that_is_left():
    # 55 s after 50 iterations: 3 of 4 evaluations and 40 s, 80 iterations; evaluated at 66, 99 and 130
    assert fit(55, Speed(0.5, 5), 50, 4) == Length(130, 33)
    assert evaluations_left(50, Length(130, 33)) == 3
    # 10 s: the last evaluation and 10 iterations
    assert fit(10, Speed(0.5, 5), 50, 1) == Length(60, 60)
    # no time: one more iteration, and its evaluation
    assert fit(-3, Speed(0.5, 5), 50, 4) == Length(51, 13)
    assert evaluations_left(50, Length(51, 13)) == 1


def test_steps_are_undone(tmp_path):
    runner = make_runner(tmp_path, "default_hooks.curves=None", "train_cfg.max_iters=2")
    runner.train()
    state = runner.model.state_dict(), runner.optim_wrapper.state_dict()
    before = {key: value.clone() for key, value in state[0].items()}
    optimizer = runner.optim_wrapper.state_dict()["state"][0]["momentum_buffer"].clone()
    scalars = {name: len(buffer.data[0]) for name, buffer in runner.message_hub.log_scalars.items()}
    random_state = torch.get_rng_state()
    with undone(runner):
        batches = runner.train_loop.batches()
        for _ in range(3):
            runner.model.train_step(next(batches), optim_wrapper=runner.optim_wrapper)
        assert not all(torch.equal(value, before[key]) for key, value in runner.model.state_dict().items())
    assert differing(before, dict(runner.model.state_dict())) == []
    assert torch.equal(runner.optim_wrapper.state_dict()["state"][0]["momentum_buffer"], optimizer)
    assert {name: len(buffer.data[0]) for name, buffer in runner.message_hub.log_scalars.items()} == scalars
    assert torch.equal(torch.get_rng_state(), random_state)


class Fixed(TimeLimit):
    """Has the speed that gives 40 iterations with an evaluation every 10: 60 s at 97 %, less the start."""

    def _measure(self):
        self._evaluation = 0.0
        super()._measure()
        self._ends = time.perf_counter() + 60
        return Speed(60 / 40.5)

    def _refit(self):
        return None


def weights(folder, name):
    checkpoint = torch.load(folder / name, weights_only=True)
    return {part: checkpoint[part] for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")}


@pytest.fixture
def fixed(monkeypatch):
    monkeypatch.setattr("densevision.training.loop.TimeLimit", Fixed)


def test_a_scaled_training_equals_one_of_that_length_and_resumes_exactly(finished, tmp_path, fixed, capsys):
    # 20 iterations with a warm-up of 3 become 40 with one of 6; by hand: the toy config with these numbers
    half = (
        "train_cfg.max_iters=20",
        "train_cfg.val_interval=5",
        "param_scheduler.0.end=3",
        "param_scheduler.1.begin=3",
    )
    hand = ("param_scheduler.0.end=6", "param_scheduler.1.begin=6", "default_hooks.curves=None")
    train(tmp_path / "hand", *hand)
    train(tmp_path / "scaled", *LIMITED, *half)
    assert "time limit 60s: the schedule of 20 iterations will be scaled to it" in capsys.readouterr().out
    expected = weights(tmp_path / "hand", "iter_40.pth")
    assert differing(expected, weights(tmp_path / "scaled", "iter_40.pth")) == []
    kept = torch.load(tmp_path / "scaled" / "iter_40.pth")["meta"]["time_limit"]
    assert kept == dict(max_time="60s", max_iters=40, val_interval=10)
    for again in (LIMITED, LIMITED[1:]):  # the same command, and one without the limit
        folder = tmp_path / f"resumed_{len(again)}"
        with pytest.raises(TrainingStopped):
            train(folder, *LIMITED, *half, "custom_hooks.0.at=13")
        capsys.readouterr()
        train(folder, *again, *half, resume=True)
        assert differing(expected, weights(folder, "iter_40.pth")) == []
        printed = capsys.readouterr().out
        assert "iteration 13 of 40" in printed
        assert [line.split(":")[0].strip() for line in printed.splitlines() if "->" in line] == ["custom_hooks.0.at"]


def test_another_time_limit_cannot_resume(tmp_path, fixed):
    with pytest.raises(TrainingStopped):
        train(tmp_path / "limited", *LIMITED, "custom_hooks.0.at=3")
    with pytest.raises(UserError, match="--max-time 2m: the schedule of .*iter_3.pth was made for 60s, and --resume"):
        train(tmp_path / "limited", LIMITED[1], "train_cfg.max_time=2m", resume=True)
    with pytest.raises(TrainingStopped):
        train(tmp_path / "free", LIMITED[1], "custom_hooks.0.at=3")
    with pytest.raises(UserError, match="--max-time 60s: .*iter_3.pth is of a training without a time limit; omit it"):
        train(tmp_path / "free", *LIMITED, resume=True)


def test_no_time_for_a_training_is_said(tmp_path):
    with pytest.raises(UserError, match=r"--max-time 0.001s is too short: the start took .* s, and an iteration takes"):
        train(tmp_path / "run", LIMITED[1], "train_cfg.max_time=0.001s")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # it needs a machine without other work
def test_a_slower_machine_ends_in_time_with_an_evaluated_best_checkpoint(tmp_path, monkeypatch, capsys):
    from tests.training.toy_parts import Halves

    began, read = time.perf_counter(), Halves.__getitem__

    def slower(self, key):  # from the second second on
        time.sleep(0.004 if time.perf_counter() - began > 1.5 else 0.0)
        return read(self, key)

    monkeypatch.setattr(Halves, "__getitem__", slower)
    runner = train(tmp_path, LIMITED[1], "train_cfg.max_time=3s", "default_hooks.checkpoint.interval=None")
    assert abs(time.perf_counter() - runner.began - 3) < 0.6  # the machine may be busy
    assert "s per iteration now" in capsys.readouterr().out
    assert runner.message_hub.runtime_info["evaluated_at"] == runner.iter == runner.max_iters
    assert runner.param_schedulers[-1].end == runner.max_iters and (tmp_path / "best.pth").is_file()
