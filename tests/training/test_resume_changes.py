"""Resume means what the config says: cases.md row 10 and its relatives, on the toy training of 40 iterations."""

import shutil
from pathlib import Path

import pytest
import torch

from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.training.runner import build_runner
from densevision.training.stop import TrainingStopped
from tests.training.test_resume import differing
from tests.training.toy_runs import make_runner, train

FAST = ("default_hooks.curves=None", "train_cfg.val_interval=20")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A training of 40 iterations, stopped after 20 of them; checkpoints of 10 and 20."""
    torch.set_num_threads(1)  # as the one that it is compared with
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(TrainingStopped):
        train(folder, *FAST, "default_hooks.checkpoint.interval=10", "custom_hooks.0.at=20")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict:
    """The last checkpoint of the same training without interruption."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    train(folder, *FAST)
    return torch.load(folder / "iter_40.pth")


@pytest.fixture
def copied(stopped, tmp_path) -> Path:
    return shutil.copytree(stopped, tmp_path / "run")


def rates(runner) -> list[float]:
    """The rate of each iteration, those before a resume included."""
    return runner.message_hub.log_scalars["train/lr"].data[0].tolist()


def rates_from_the_start(folder: Path, *overrides: str) -> list[float]:
    """The rates of a fresh training, without training."""
    runner = make_runner(folder, *overrides)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.optim_wrapper._global_step = 0
    found = []
    for _ in range(runner.max_iters):
        found.append(runner.optim_wrapper.get_lr()["lr"][0])
        for schedule in runner.param_schedulers:
            schedule.step()
    return found


def resume(folder: Path, *overrides: str):
    return train(folder, *FAST, *overrides, resume=True)


def assert_equal(checkpoint: dict, other: dict) -> None:
    for part in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
        assert differing(checkpoint[part], other[part], part) == []


def edit(path: Path, change) -> None:
    checkpoint = torch.load(path)
    change(checkpoint)
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("optim_wrapper.optimizer.lr=0.05", "optim_wrapper.optimizer.lr: 0.2 -> 0.05, from here on"),
        ("param_scheduler.1.eta_min=0.01", "param_scheduler.1.eta_min: not set -> 0.01, from here on"),
        ("param_scheduler=[dict(type='MultiStepLR', milestones=[15, 25], gamma=0.5)]", "param_scheduler.0.gamma"),
        ("param_scheduler=[]", "param_scheduler.0.type: LinearLR -> not set, from here on"),
        ("train_cfg.max_iters=60", "train_cfg.max_iters: 40 -> 60, from here on"),
        ("train_cfg.max_iters=30", "param_scheduler.1.end: 40 -> 30, from here on"),
    ],
)
def test_rate_and_schedule_are_as_if_from_the_start(copied, tmp_path, capsys, override, line):
    here = rates(resume(copied, override))
    assert line in capsys.readouterr().out
    fresh = rates_from_the_start(tmp_path / "fresh", override)
    assert len(here) == len(fresh) and here[20:] == fresh[20:]


def test_a_second_resume_keeps_to_the_change(copied):
    change = "optim_wrapper.optimizer.lr=0.05"
    at_once = shutil.copytree(copied, copied.parent / "at_once")
    resume(at_once, change)
    with pytest.raises(TrainingStopped):
        resume(copied, change, "custom_hooks.0.at=30")
    resume(copied, change)
    assert_equal(*(torch.load(folder / "iter_40.pth") for folder in (at_once, copied)))


@pytest.mark.parametrize(
    ("override", "key", "values"),
    [
        ("optim_wrapper.optimizer.momentum=0.5", "momentum", [0.5, 0.5]),
        ("optim_wrapper.optimizer.weight_decay=0.3", "weight_decay", [0.3, 0.0]),
        ("optim_wrapper.optimizer.nesterov=True", "nesterov", [True, True]),
    ],
)
def test_the_optimizer_settings_are_those_of_the_config(copied, capsys, override, key, values):
    runner = resume(copied, override)
    assert [group[key] for group in runner.optim_wrapper.optimizer.param_groups] == values
    assert f"optim_wrapper.optimizer.{key}: " in capsys.readouterr().out
    saved = torch.load(copied / "iter_40.pth")["optimizer"]["param_groups"]
    assert [group[key] for group in saved] == values


def test_wrapper_and_average_are_those_of_the_config(copied, capsys):
    changes = [
        "optim_wrapper.clip_grad.max_norm=0.5",
        "optim_wrapper.accumulative_counts=2",
        "default_hooks.ema.momentum=0.5",
    ]
    runner = resume(copied, *changes)
    assert runner.optim_wrapper.clip_grad_kwargs["max_norm"] == 0.5
    printed = capsys.readouterr().out
    assert "optim_wrapper.clip_grad.max_norm: 10.0 -> 0.5" in printed
    assert "optim_wrapper.accumulative_counts: not set -> 2" in printed
    assert "default_hooks.ema.momentum: 0.001 -> 0.5" in printed


def test_the_average_switched_off_goes_on_with_the_trained_weights(copied, whole):
    resume(copied, "default_hooks.ema=None")
    trained = {name.removeprefix("module."): t for name, t in whole["ema_state_dict"].items() if name != "steps"}
    assert differing(torch.load(copied / "iter_40.pth")["state_dict"], trained) == []


def test_the_average_switched_on_starts_with_the_trained_weights(tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, *FAST, "custom_hooks.0.at=20", "default_hooks.ema=None")
    resume(tmp_path)
    assert torch.load(tmp_path / "iter_40.pth")["ema_state_dict"]["steps"] == 20


def test_nothing_changed_is_said_and_nothing_changes(copied, capsys, whole):
    resume(copied, "default_hooks.checkpoint.interval=10")
    lines = [line for line in capsys.readouterr().out.splitlines() if "from here on" in line]
    assert lines == ["  custom_hooks.0.at: 20 -> not set, from here on"]
    assert_equal(torch.load(copied / "iter_40.pth"), whole)


def test_a_checkpoint_without_a_record_resumes_exactly(copied, whole, capsys):
    edit(copied / "iter_20.pth", lambda checkpoint: [checkpoint["meta"].pop(k) for k in ("made_from", "draws")])
    resume(copied)
    assert "it has no record of its settings" in capsys.readouterr().out
    assert_equal(torch.load(copied / "iter_40.pth"), whole)


def test_a_checkpoint_without_a_record_takes_the_config_rate(copied):
    edit(copied / "iter_20.pth", lambda checkpoint: checkpoint["meta"].pop("made_from"))
    assert 0 < max(rates(resume(copied, "optim_wrapper.optimizer.lr=0.02"))[20:]) <= 0.02


def test_another_batch_goes_on_where_the_samples_ended(copied, capsys):
    with pytest.raises(TrainingStopped):
        resume(copied, "train_dataloader.batch_size=2", "custom_hooks.0.at=25")
    printed = capsys.readouterr().out
    assert "train_dataloader.batch_size: 4 -> 2, from here on" in printed
    assert "samples continue after the first 80 of the shuffled order" in printed
    assert torch.load(copied / "iter_25.pth")["meta"]["draws"] == 20 * 4 + 5 * 2
    runner = resume(copied, "train_dataloader.batch_size=6")
    assert torch.load(copied / "iter_40.pth")["meta"]["draws"] == 90 + 15 * 6
    assert runner.train_dataloader.sampler.start == 90


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train_cfg.max_iters=19", "max_iters is 19, but .*iter_20.pth is already at iteration 20; increase max_iters"),
        (
            "optim_wrapper.optimizer=dict(type='AdamW', lr=0.001)",
            "iter_20.pth does not fit this config's optimizer: optim_wrapper.optimizer.type is AdamW, was SGD",
        ),
        ("optim_wrapper.constructor=DefaultOptimWrapperConstructor", "constructor is Default.*, was Decay"),
        ("model.num_classes=3", r"iter_20.pth belongs to another model: .*2x64 there and 3x64 here"),
        (
            "train_dataloader.dataset.names=['upper', 'middle']",
            "iter_20.pth has the classes upper, lower, the training data have upper, middle; use the same classes",
        ),
        (
            "model.frozen=True",
            "features.0.weight, features.0.bias trained in the checkpoint and frozen in the config; undo that",
        ),
    ],
)
def test_what_can_t_take_effect_is_refused_by_name(copied, override, message):
    before = sorted(copied.rglob("*"))
    with pytest.raises(UserError, match=message) as raised:
        resume(copied, override)
    assert "\n" not in str(raised.value)
    assert sorted(copied.rglob("*")) == before


@pytest.mark.parametrize(
    ("optimizer", "change"),
    [
        ("dict(type='AdamW', lr=0.001)", "amsgrad=True"),
        ("dict(type='RMSprop', lr=0.001)", "momentum=0.9"),
        ("dict(type='RMSprop', lr=0.001)", "centered=True"),
    ],
)
def test_state_that_the_checkpoint_lacks_is_refused(tmp_path, optimizer, change):
    with pytest.raises(TrainingStopped):
        train(tmp_path, *FAST, f"optim_wrapper.optimizer={optimizer}", "custom_hooks.0.at=3")
    with pytest.raises(UserError, match=f"optimizer.{change.split('=')[0]} can't be switched on in a resumed training"):
        train(tmp_path, f"optim_wrapper.optimizer={optimizer}", f"optim_wrapper.optimizer.{change}", resume=True)


def test_an_old_checkpoint_of_another_optimizer_is_refused(copied):
    edit(copied / "iter_20.pth", lambda checkpoint: checkpoint["meta"].pop("made_from"))
    with pytest.raises(UserError, match="iter_20.pth does not fit this config's optimizer"):
        resume(copied, "optim_wrapper.optimizer=dict(type='AdamW', lr=0.001)")


def test_weights_alone_are_no_training_to_resume(copied):
    edit(copied / "iter_20.pth", lambda checkpoint: checkpoint.pop("optimizer"))  # as best.pth
    with pytest.raises(UserError, match="iter_20.pth has only weights"):
        resume(copied)


def test_other_data_and_another_seed_are_named(copied, capsys):
    runner = resume(copied, "train_dataloader.dataset.size=24", "randomness.seed=5", "val_dataloader.dataset.size=15")
    printed = capsys.readouterr().out
    assert "train_dataloader.dataset.size: 22 -> 24, from here on" in printed
    assert "training images: 22 -> 24, from here on" in printed
    assert "randomness.seed: 0 -> 5, from here on" in printed and runner.seed == 5
    assert runner.train_dataloader.sampler.seed == 5
    assert "best.pth is chosen from the next evaluation" in printed
    assert torch.load(copied / "best.pth")["meta"]["iter"] == 20  # evaluated first on the new data


def test_an_open_seed_is_that_of_the_checkpoint(tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, *FAST, "randomness.seed=None", "custom_hooks.0.at=12")
    seed = torch.load(tmp_path / "iter_12.pth")["meta"]["seed"]
    runner = resume(tmp_path, "randomness.seed=None", "train_cfg.max_iters=13")
    assert (runner.seed, runner.train_dataloader.sampler.seed) == (seed, seed)


def test_a_finished_training_says_that_nothing_is_left(copied, capsys):
    resume(copied, "train_cfg.max_iters=20")
    assert "all iterations are done; increase train_cfg.max_iters to train on" in capsys.readouterr().out


def test_the_dumped_config_resumes_without_a_change(copied, capsys):
    config = load_config(copied / "toy_config.py", ["custom_hooks.0.at=0"])
    config.work_dir, config.resume = str(copied), True
    build_runner(config).train()
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if "from here on" in line] == [
        "  custom_hooks.0.at: 20 -> 0, from here on"
    ]


class TestNotFinite:
    """The advice after NaN works when it is followed."""

    def test_a_lower_rate_helps(self, tmp_path):
        huge = "optim_wrapper.optimizer.lr=1e30"
        options = [
            *FAST,
            "train_cfg.max_iters=20",
            "optim_wrapper.clip_grad=None",
            "param_scheduler=[]",
            "default_hooks.checkpoint.interval=1",
        ]
        with pytest.raises(TrainingStopped):
            train(tmp_path, *options, "custom_hooks.0.at=12")
        # Step 13 makes the weights useless, though finite: the batches from 14 on are not.
        with pytest.raises(UserError, match="iteration 18: .* then --resume, which continues from iter_12.pth$"):
            train(tmp_path, *options, huge, resume=True)
        assert sorted(path.name for path in tmp_path.glob("iter_*")) == ["iter_12.pth", "iter_13.pth"]
        for path in tmp_path.glob("iter_*.pth"):
            assert all(tensor.isfinite().all() for tensor in torch.load(path)["state_dict"].values())
        runner = train(tmp_path, *options, resume=True)
        assert runner.iter == 20
        assert set(rates(runner)) == {0.2}
        assert all(p.isfinite().all() for p in runner.model.parameters())

    def test_without_a_checkpoint_the_advice_is_another(self, tmp_path):
        with pytest.raises(UserError, match="then start again: there is no checkpoint to resume from$"):
            train(tmp_path, *FAST, "model.nan_at=(2, 3, 4, 5, 6)")

    @pytest.mark.parametrize("part", ["state_dict", "ema_state_dict", "optimizer"])
    def test_a_checkpoint_that_is_not_finite_is_passed_over(self, copied, capsys, part):
        def spoil(checkpoint):
            if part == "optimizer":
                checkpoint[part]["state"][0]["momentum_buffer"][0] = float("inf")
            else:
                next(t for name, t in checkpoint[part].items() if name.endswith("0.weight"))[0] = float("nan")

        edit(copied / "iter_20.pth", spoil)
        runner = resume(copied)
        assert "iter_20.pth has values that are not finite" in (printed := capsys.readouterr().out)
        assert "resuming from iter_10.pth" in printed and runner.iter == 40

    def test_no_finite_checkpoint_is_one_line(self, copied):
        for path in copied.glob("iter_*.pth"):
            edit(path, lambda checkpoint: checkpoint["state_dict"]["classify.bias"].fill_(float("nan")))
        with pytest.raises(UserError, match="iter_20.pth has .* no earlier checkpoint is finite; start from scratch"):
            resume(copied)

    def test_weights_that_are_not_finite_are_not_written(self, tmp_path):
        runner = make_runner(tmp_path, *FAST, "train_cfg.max_iters=20", "default_hooks.checkpoint.interval=10")
        original = runner.train_loop.run_iter

        def spoiled(batch):
            if runner.iter == 14:
                with torch.no_grad():
                    runner.model.features[1].running_var.fill_(float("inf"))
            if runner.iter == 15:
                runner.optim_wrapper.bad_in_a_row = 0
            original(batch)

        runner.train_loop.run_iter = spoiled
        with pytest.raises(UserError, match="iteration 20: .* is not finite, so no checkpoint was written; .*--resume"):
            runner.train()
        assert sorted(path.name for path in tmp_path.glob("iter_*")) == ["iter_10.pth"]


def test_only_what_takes_effect_is_said(copied, capsys):
    train(copied, "train_cfg.max_iters=20", "default_hooks.ema.momentum=0.01", resume=True)
    said = capsys.readouterr().out
    assert "all iterations are done" in said and "from here on" not in said
    train(copied, "custom_hooks=[]", "default_hooks.checkpoint.save_best=None", "train_cfg.max_iters=21", resume=True)
    said = capsys.readouterr().out
    assert "custom_hooks.0.type: SignalSelf -> not set" in said
    assert "-> []" not in said and "best.pth is chosen from the next evaluation" not in said
