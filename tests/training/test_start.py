"""What a start says and refuses (B10, B11, B16, cases.md rows 14 and 15)."""

import os
from pathlib import Path

import pytest
import torch

from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.training.prepare import automatic_workers, check_numbers, fill_schedules, set_workers
from densevision.training.runner import build_runner
from tests.training.toy_runs import CONFIG, FAST, ROOT, listing, make_runner, train


def prepared(*overrides: str) -> list[str]:
    config = load_config(CONFIG, overrides)
    check_numbers(config)
    return fill_schedules(config)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1e3", "True", "many", "[1]", "None", "nan"])
@pytest.mark.parametrize(
    "key",
    [
        "train_cfg.max_iters",
        "train_cfg.val_interval",
        "train_dataloader.batch_size",
        "val_dataloader.batch_size",
        "test_dataloader.batch_size",
        "optim_wrapper.accumulative_counts",
    ],
)
def test_counts_are_whole_numbers_from_1(key, value):
    with pytest.raises(UserError, match=f"config, {key} is .*; it must be a whole number from 1"):
        prepared(f"{key}={value}")


@pytest.mark.parametrize(
    "override",
    [
        "train_dataloader.num_workers=-1",
        "val_dataloader.num_workers=0.5",
        "test_dataloader.num_workers=None",
        "train_dataloader.num_workers=automatic",
        "total_batch=0",
        "train_dataloader.prefetch_factor=0",
        "randomness.seed=-3",
        "randomness.seed=text",
        "optim_wrapper.optimizer.lr=-0.1",
        "optim_wrapper.optimizer.lr=nan",
        "optim_wrapper.optimizer.lr=fast",
        "optim_wrapper.clip_grad.max_norm=0",
        "optim_wrapper.clip_grad.max_norm=-1",
    ],
)
def test_other_numbers_that_make_no_sense_are_refused(override):
    with pytest.raises(UserError, match=f"config, {override.partition('=')[0]} is "):
        prepared(override)


@pytest.mark.parametrize(
    "override",
    [
        "default_hooks.checkpoint.keep=0",
        "default_hooks.checkpoint.keep=-1",
        "default_hooks.checkpoint.keep=None",
        "default_hooks.checkpoint.keep=2.5",
        "default_hooks.checkpoint.interval=0",
        "default_hooks.checkpoint.interval=-5",
        "default_hooks.progress.interval=0",
        "default_hooks.progress.interval=0.5",
        "default_hooks.curves.interval=0",
    ],
)
def test_hooks_refuse_them_too_and_nothing_stays_behind(tmp_path, override):
    key = override.partition("=")[0]
    with pytest.raises(UserError, match=f"config, {key} is .*; it must be a whole number from 1"):
        make_runner(tmp_path / "run", override)
    assert listing(tmp_path) == set()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("param_scheduler.1.by_epoch=True", "param_scheduler.1 .CosineAnnealingLR. counts epochs, .* in iterations"),
        ("param_scheduler.0.convert_to_iter_based=True", "param_scheduler.0 .LinearLR. counts epochs"),
        ("param_scheduler=dict(type='CosineAnnealingLR', by_epoch=True)", "param_scheduler.0 .* counts epochs"),
        ("param_scheduler=[dict(type='ReduceOnPlateauLR', monitor='toy/accuracy')]", "works with epochs only"),
        ("param_scheduler.0.begin=-1", "param_scheduler.0 .LinearLR..begin is -1"),
        ("param_scheduler.0.end=2.5", "param_scheduler.0 .LinearLR..end is 2.5"),
        ("param_scheduler.0.end=soon", "param_scheduler.0 .LinearLR..end is 'soon'"),
        ("param_scheduler.1.T_max=0", "T_max is 0"),
        ("default_hooks.ema.begin_epoch=2", "default_hooks.ema.begin_epoch counts epochs; give begin_iter"),
        ("default_hooks.ema.begin_iter=50", "default_hooks.ema.begin_iter is 50, after the end of the training"),
    ],
)
def test_schedules_that_count_epochs_or_nothing_are_refused(override, message):
    with pytest.raises(UserError, match=message):
        prepared(override)


@pytest.mark.parametrize(
    ("overrides", "notes"),
    [
        ((), []),
        (("param_scheduler.1.by_epoch=False", "param_scheduler.1.end=None"), []),
        (
            ("train_cfg.max_iters=4",),
            [
                "param_scheduler.0 (LinearLR) lasts until iteration 5, the training ends at 4: 80 % of it takes effect",
                "param_scheduler.1 (CosineAnnealingLR) begins at iteration 5, the training ends at 4: it is ignored",
            ],
        ),
        (
            ("param_scheduler.1.T_max=10",),
            [
                "param_scheduler.1 (CosineAnnealingLR) has T_max=10 and lasts 35 iterations: "
                "the value rises again after 10"
            ],
        ),
        (
            ("param_scheduler.1.T_max=100",),
            ["param_scheduler.1 (CosineAnnealingLR) has T_max=100 and lasts 35 iterations: it never reaches eta_min"],
        ),
        (
            ("param_scheduler=[dict(type='MultiStepLR', milestones=[20, 40, 60])]",),
            ["param_scheduler.0 (MultiStepLR) has milestones 40, 60 after the end of the training, iteration 40"],
        ),
        (
            ("param_scheduler=[dict(type='StepLR', step_size=50)]",),
            ["param_scheduler.0 (StepLR) has step_size=50, which the training does not reach: it never steps"],
        ),
    ],
)
def test_what_never_takes_effect_is_said(overrides, notes):
    assert prepared(*overrides) == notes


def test_shipped_configs_give_no_note():
    for path in [*(ROOT / "configs").glob("detection/*.py"), *(ROOT / "configs").glob("segmentation/*.py")]:
        config = load_config(path)
        check_numbers(config)
        assert fill_schedules(config) == [], path


def test_a_schedule_that_ends_at_a_share_is_trained(tmp_path):
    runner = train(tmp_path, "default_hooks.curves=None", "train_cfg.max_iters=4", "param_scheduler.0.end=0.5")
    assert runner.cfg.param_scheduler[0].end == 2


def test_a_start_says_what_is_trained(tmp_path, capsys):
    changes = ("total_batch=512", "train_dataloader.batch_size=1", "model.frozen=True", "param_scheduler.1.T_max=9")
    train(tmp_path, "default_hooks.curves=None", "train_cfg.max_iters=6", "train_cfg.val_interval=50", *changes)
    assert capsys.readouterr().out.splitlines()[:7] == [
        "model: ToyModel, 250 parameters, 138 trainable, 112 frozen",
        f"device: cpu, {torch.get_num_threads()} threads",
        "6 iterations of 1 image = 0.273 epochs of 22 images; evaluation at the end",
        f"results: {tmp_path}",
        "warning: param_scheduler.1 (CosineAnnealingLR) has T_max=9 and lasts 1 iterations: it never reaches eta_min",
        "warning: train_dataloader.batch_size is 1: batch norms see a single image, and use their running statistics "
        "on maps of one pixel",
        "warning: 1 image per step (1 process of 1), but the config's learning rate is for 512 (total_batch): run 512 "
        "processes or scale optim_wrapper.optimizer.lr from 0.2 to 0.000391 or set total_batch=1 if this is intended",
    ]


def test_the_grid_is_made_for_eight_processes():
    paths = [path for path in (ROOT / "configs/detection").glob("*_coco*.py") if "coco128" not in path.name]
    assert len(paths) >= 17
    for path in paths:
        config = load_config(path)
        assert config.total_batch == 8 * config.train_dataloader.batch_size, path


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (("total_batch=8", "optim_wrapper.accumulative_counts=2"), None),
        (("total_batch=4",), None),
        ((), None),
        (
            ("total_batch=6", "optim_wrapper.accumulative_counts=2"),
            "8 images per step (1 process of 4, 2 batches accumulated), but the config's learning rate is for 6 "
            "(total_batch): scale optim_wrapper.optimizer.lr from 0.2 to 0.267 or "
            "set total_batch=8 if this is intended",
        ),
    ],
)
def test_the_batch_is_that_of_all_processes_and_accumulated_steps(tmp_path, capsys, changes, line):
    train(tmp_path, *FAST, "param_scheduler=[]", *changes)
    warnings = [text for text in capsys.readouterr().out.splitlines() if text.startswith("warning")]
    assert warnings == ([f"warning: {line}"] if line else [])


def test_a_model_without_a_trainable_parameter_is_refused(tmp_path):
    runner = make_runner(tmp_path / "run", *FAST)
    runner.model.requires_grad_(False)
    with pytest.raises(UserError, match="no parameter of the model is trainable"):
        runner.train()
    assert listing(tmp_path) == set()


def test_a_rate_of_0_is_said(tmp_path, capsys):
    train(tmp_path, *FAST, "param_scheduler=[]", "optim_wrapper.optimizer.lr=0")
    assert "warning: optim_wrapper.optimizer.lr is 0: no weight will change" in capsys.readouterr().out


def evaluator_of(checkpoint: Path, folder: Path, *overrides: str):
    config = load_config(CONFIG, overrides)
    config.work_dir, config.load_from = str(folder), str(checkpoint)
    return build_runner(config, training=False)


def test_an_evaluation_has_the_checkpoint_number_of_classes(finished, tmp_path):
    runner = evaluator_of(finished / "best.pth", tmp_path / "run", "test_dataloader.dataset.names=['a', 'b', 'c']")
    assert runner.model.classify.out_features == 2
    with pytest.raises(UserError, match="test: the model's classes are upper, lower, the data's a, b, c"):
        runner.test()
    assert listing(tmp_path) == set()


def test_classes_in_another_order_follow_the_checkpoint_where_the_data_can(finished, tmp_path):
    data = "test_dataloader.dataset=dict(type='tests.training.toy_parts.Aligning', size=13, names=['lower', 'upper'])"
    runner = evaluator_of(finished / "best.pth", tmp_path, data)
    assert runner.test() == {"toy/accuracy": 1.0}
    assert runner.test_dataloader.dataset.metainfo["classes"] == ("upper", "lower")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.num_classes=5", r"model.num_classes is 5, but the train data have 2 classes \(upper, lower\); leave"),
        ("val_dataloader.dataset.names=['lower', 'upper']", "val: the model's classes are .*, the data's lower, upper"),
        ("val_dataloader.dataset.names=['upper']", "val: the model's classes are upper, lower, the data's upper; they"),
    ],
)
def test_classes_are_compared_before_the_training(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, *FAST, override)


def test_workers_are_half_of_the_cores_of_a_process():
    cases = {(1, 1): 0, (2, 1): 1, (4, 1): 2, (16, 1): 8, (64, 1): 8, (16, 4): 2, (16, 8): 1, (4, 8): 0}
    assert {case: automatic_workers(*case) for case in cases} == cases


def test_workers_are_chosen_where_the_config_leaves_them_open():
    loaders = ("train_dataloader", "val_dataloader", "test_dataloader")
    config = load_config(CONFIG, [f"{loader}.num_workers=auto" for loader in loaders[:2]])
    del config.test_dataloader["num_workers"]
    set_workers(config)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert {config[loader].num_workers for loader in loaders} == {automatic_workers(cores, 1)}


class TestScaledRate:
    def rate(self, tmp_path, *options):
        runner = make_runner(tmp_path, *FAST, *options)
        return runner.optim_wrapper["optimizer"]["lr"], runner.rate_lines

    def test_it_is_off_unless_stated(self, tmp_path):
        assert self.rate(tmp_path, "total_batch=8") == (0.2, [])
        assert self.rate(tmp_path, "total_batch=8", "auto_scale_lr=False") == (0.2, [])

    def test_it_is_proportional_to_the_images_per_step(self, tmp_path):
        line = "learning rate 0.2 for 16 images per step, scaled to 0.05 for 4"
        assert self.rate(tmp_path, "total_batch=16", "auto_scale_lr=True") == (0.05, [line])
        line = "learning rate 0.2 for 16 images per step, scaled to 0.1 for 8"
        accumulated = "optim_wrapper.accumulative_counts=2"
        assert self.rate(tmp_path, "total_batch=16", "auto_scale_lr=True", accumulated) == (0.1, [line])
        assert self.rate(tmp_path, "total_batch=4", "auto_scale_lr=True") == (0.2, [])

    def test_the_copy_in_the_work_dir_is_not_scaled_twice(self, tmp_path, capsys):
        train(tmp_path / "run", *FAST, "total_batch=16", "auto_scale_lr=True")
        assert "scaled to 0.05 for 4" in capsys.readouterr().out
        copied = (tmp_path / "run" / "toy_config.py").read_text()
        assert "total_batch = 4" in copied and "lr=0.05" in copied and "auto_scale_lr = True" in copied

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["auto_scale_lr=True"], "auto_scale_lr needs total_batch"),
            (["auto_scale_lr=4"], "auto_scale_lr is 4; it must be"),
            (["auto_scale_lr=dict(enable=True)"], "auto_scale_lr needs base_batch_size"),
            (["sync_bn=mmcv"], "sync_bn is 'mmcv'; give 'torch', or None"),
        ],
    )
    def test_a_wrong_setting_is_one_line(self, tmp_path, options, message):
        with pytest.raises(UserError, match=message):
            make_runner(tmp_path, *FAST, *options)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_synchronized_norms_need_a_gpu(self, tmp_path):
        with pytest.raises(UserError, match="sync_bn works on GPUs only, and torch finds none; omit it"):
            make_runner(tmp_path, *FAST, "sync_bn=torch")
