"""The parts of a config that a run needs, and what is refused in their place."""

from pathlib import Path

import pytest

from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.training.runner import build_runner
from tests.training.toy_runs import CONFIG, FAST, listing, make_runner, train


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=None", "model is missing or None"),
        ("train_dataloader.dataset=dict(type='CocoDataset')", "dataset.data_root is missing: CocoDataset"),
        ("train_dataloader=None", "train_dataloader is missing or None"),
        ("train_cfg=None", "train_cfg is missing or None"),
        ("optim_wrapper=None", "optim_wrapper is missing or None"),
        ("optim_wrapper.optimizer=None", "optim_wrapper.optimizer is missing or None"),
        ("train_dataloader.dataset=None", "train_dataloader.dataset is None; it must be a dict"),
        ("default_hooks=5", "default_hooks is 5; it must be a dict"),
        ("randomness=[0]", "randomness is .*a dict"),
        ("default_hooks.runtime_info=None", "default_hooks.runtime_info is None; it must be a dict"),
        ("custom_hooks=5", "custom_hooks is 5; it must be a list"),
        ("param_scheduler=[5]", "it must be a list of dicts"),
        ("optim_wrapper.clip_grad=5", "optim_wrapper.clip_grad is 5; it must be a dict"),
        ("train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3)", "this training counts iterations"),
        ("train_cfg=dict(type='IterBasedTrainLoop', max_iters=3)", "this training counts iterations"),
        ("randomness.seed=4294967296", "randomness.seed is 4294967296; it must be 4294967295 at most"),
        ("optim_wrapper.optimizer.lr=1e400", "optim_wrapper.optimizer.lr is inf;"),
    ],
)
def test_parts_of_another_kind_are_one_line(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        make_runner(tmp_path / "run", override)
    assert listing(tmp_path) == set()


@pytest.mark.parametrize("key", ["work_dir", "resume", "launcher"])
def test_an_override_that_an_option_would_overwrite_is_refused(key):
    with pytest.raises(UserError, match=f"--cfg-options {key}: use the option --{key.replace('_', '-')}"):
        load_config(CONFIG, [f"{key}=x"])


@pytest.mark.parametrize("part", ["dataloader", "evaluator", "cfg"])
def test_an_evaluation_is_switched_off_by_one_key(tmp_path, capsys, part):
    runner = train(tmp_path, *FAST, f"val_{part}=None", f"test_{part}=None")
    assert "no evaluation" in capsys.readouterr().out
    assert runner.val_loop is None and not (tmp_path / "best.pth").exists()
    with pytest.raises(UserError, match="has neither a test_dataloader nor"):
        runner.test()


def test_an_evaluation_that_lacks_a_part_is_refused(tmp_path):
    config = load_config(CONFIG)
    config.work_dir = str(tmp_path / "run")
    del config._cfg_dict["val_evaluator"]
    with pytest.raises(UserError, match="config, val_evaluator is missing; .* with val_dataloader=None"):
        build_runner(config)


@pytest.mark.parametrize(
    "overrides",
    [
        ["val_dataloader=None"],
        ["val_dataloader=None", "val_cfg=None", "val_evaluator=None"],
        ["test_dataloader=None"],
        ["test_evaluator=None"],
        ["test_cfg=None"],
    ],
)
def test_a_training_needs_no_evaluation(tmp_path, overrides):
    save_best = "default_hooks.checkpoint.save_best=None"
    assert (Path(train(tmp_path, *FAST, save_best, *overrides).work_dir) / "iter_2.pth").is_file()


def test_settings_of_workers_go_with_the_workers(tmp_path):
    train(
        tmp_path,
        *FAST,
        "train_dataloader.persistent_workers=True",
        "val_dataloader.prefetch_factor=2",
        "randomness=None",
        "env_cfg=None",
        "init_from=None",
    )
    assert (tmp_path / "iter_2.pth").is_file()
