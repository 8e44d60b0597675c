"""Epochs, durations, and a schedule scaled to another length."""

import runpy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.training.lengths import Length, check_length, parse_duration, resolve_epochs, scale_schedule, scaled
from densevision.training.prepare import fill_schedules
from tests.training.toy_runs import CONFIG, FAST, ROOT, make_runner, train


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("20min", 1200), ("1h30m", 5400), ("2h", 7200), ("1.5h", 5400), ("1m30s", 90)],
)
def test_a_duration_in_seconds(text, seconds):
    assert parse_duration("--max-time", text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "soon", "0s", "-5m", "20 m", "1m2h", "5M", 20, None, "1e3s", "infh"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UserError, match="--max-time is .*; give a duration such as 90s, 20m or 1h30m"):
        parse_duration("--max-time", text)


@pytest.mark.parametrize(
    ("settings", "images", "batch", "result"),
    [
        (dict(epochs=30, val_epochs=3), 48, 16, (90, 9)),  # 3 iterations per epoch
        (dict(epochs=50, val_epochs=10), 768, 16, (2400, 480)),
        (dict(epochs=3), 22, 4, (17, 2)),  # 16.5 iterations, rounded up; a tenth, rounded up
        (dict(epochs=0.5, val_epochs=0.01), 100, 10, (5, 1)),
        (dict(epochs=2, val_interval=7), 100, 10, (20, 7)),
        (dict(max_iters=40, val_epochs=2), 22, 4, (40, 11)),
    ],
)
def test_epochs_as_iterations(settings, images, batch, result):
    resolve_epochs(settings, images, batch)
    assert settings == dict(zip(("max_iters", "val_interval"), result, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(max_iters=40, epochs=3), r"train_cfg has max_iters=40 and epochs=3; give one of them \(max_iters=None"),
        (dict(epochs=3, val_interval=4, val_epochs=1), "train_cfg has val_interval=4 and val_epochs=1; give one"),
        (dict(epochs=0), "train_cfg.epochs is 0; it must be a number of epochs greater than 0"),
        (dict(epochs="3"), "train_cfg.epochs is '3'"),
        (dict(epochs=True), "train_cfg.epochs is True"),
        (dict(epochs=float("nan")), "train_cfg.epochs is nan"),
        (dict(epochs=3, val_epochs=-1), "train_cfg.val_epochs is -1"),
    ],
)
def test_a_length_is_stated_once_and_makes_sense(settings, message):
    with pytest.raises(UserError, match=message):
        check_length(settings)


def test_a_training_in_epochs_equals_one_in_iterations(tmp_path, capsys):
    # 22 images, 4 per iteration: 4 epochs are 22 iterations, 2 are 11
    in_epochs = (
        "train_cfg.max_iters=None",
        "train_cfg.val_interval=None",
        "train_cfg.epochs=4",
        "train_cfg.val_epochs=2",
    )
    runner = train(tmp_path / "epochs", "default_hooks.curves=None", *in_epochs)
    assert (
        "22 iterations of 4 images = 4 epochs of 22 images; evaluation every 11 iterations" in capsys.readouterr().out
    )
    train(tmp_path / "iterations", "default_hooks.curves=None", "train_cfg.max_iters=22", "train_cfg.val_interval=11")
    one, other = (torch.load(tmp_path / name / "iter_22.pth") for name in ("epochs", "iterations"))
    assert all(torch.equal(one["state_dict"][key], other["state_dict"][key]) for key in one["state_dict"])
    assert one["meta"]["made_from"] == other["meta"]["made_from"]
    assert (runner.cfg.train_cfg.max_iters, runner.cfg.param_scheduler[1].end) == (22, 22)


def test_both_lengths_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="train_cfg has max_iters=40 and epochs=3"):
        make_runner(tmp_path / "run", "train_cfg.epochs=3")
    assert not (tmp_path / "run").exists()


def scaled_config(length: Length, *overrides: str):
    config = load_config(CONFIG, overrides)
    fill_schedules(config)
    scale_schedule(config, length)
    return config


def test_a_schedule_keeps_its_shares():
    # 40 iterations, warm-up of 5, become 100 with one of 12.5, rounded up
    config = scaled_config(Length(100, 25))
    ends = [(schedule.get("begin", 0), schedule.end) for schedule in config.param_scheduler]
    assert ends == [(0, 13), (13, 100)]
    assert (config.train_cfg.max_iters, config.train_cfg.val_interval) == (100, 25)


def test_a_short_training_keeps_each_of_its_schedules():
    config = scaled_config(Length(3, 1))
    assert [(schedule.get("begin", 0), schedule.end) for schedule in config.param_scheduler] == [(0, 1), (1, 3)]
    assert [scaled(step, 1000, 10) for step in (0, 1, 49, 50, 150, 1000)] == [0, 1, 1, 1, 2, 10]


def test_every_kind_of_schedule_is_scaled():
    schedules = (
        "[dict(type='MultiStepLR', milestones=[10, 30]), dict(type='StepLR', step_size=10),"
        "dict(type='ExponentialLR', gamma=0.81),"
        "dict(type='CosineRestartLR', periods=[10, 30], restart_weights=[1, 1])]"
    )
    average = "default_hooks.ema.begin_iter=20"
    config = scaled_config(Length(80, 20), f"param_scheduler={schedules}", average)
    steps, step, exponential, restarts = config.param_scheduler
    assert (steps.milestones, step.step_size, restarts.periods) == ([20, 60], 20, [20, 60])
    assert exponential.gamma == pytest.approx(0.9)  # twice as many iterations
    assert config.default_hooks.ema.begin_iter == 40


def test_a_wrong_patience_or_time_is_refused(tmp_path):
    for override in ("train_cfg.patience=0", "train_cfg.max_time=soon", "train_cfg.max_time=20"):
        with pytest.raises(UserError, match=override.partition("=")[0]):
            make_runner(tmp_path / "run", *FAST, override)
    assert not (tmp_path / "run").exists()


def test_a_schedule_may_begin_and_end_at_a_share_of_the_training():
    schedules = runpy.run_path(str(ROOT / "configs/_base_/adamw_flat_cosine.py"))["param_scheduler"]
    config = Config(dict(train_cfg=dict(max_iters=200), param_scheduler=schedules))
    assert fill_schedules(config) == []
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.begin, cosine.end) == (10, 100, 200)
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedules = [LinearLR(optimizer, **without_type(warmup)), CosineAnnealingLR(optimizer, **without_type(cosine))]
    rates = []
    for _ in range(200):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for schedule in schedules:
            schedule.step()
    assert rates[0] == 0.001 and rates[9:101] == [pytest.approx(1.0)] * 92
    assert rates[150] == pytest.approx((1 + 0.05) / 2) and rates[199] == pytest.approx(0.05, abs=0.001)


def without_type(schedule):
    return {key: value for key, value in schedule.items() if key != "type"}
