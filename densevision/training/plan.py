"""Prepare a training before it starts: its length, and the hooks that every training has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

from densevision.config.types import resolve_type
from densevision.errors import UserError
from densevision.registry import OPTIM_WRAPPERS
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.choice import readable
from densevision.training.example_images import ExampleImagesHook
from densevision.training.lengths import counts_epochs, resolve_epochs, resolve_steps
from densevision.training.optim import GuardedOptimWrapper
from densevision.training.prepare import fill_schedules, whole_number
from densevision.training.time_limit import keep_schedule
from densevision.training.val_loss import ValLossHook

if TYPE_CHECKING:
    from densevision.training.runner import DenseRunner


def prepare_training(runner: DenseRunner) -> list[str]:
    """Add the hooks of every training, and fix its length.

    Returns:
        Settings of schedules that never take effect, one line each.
    Raises:
        UserError: see ``set_length``.
    """
    for hook in (ValLossHook(), ExampleImagesHook()):
        runner.register_hook(hook)
    return set_length(runner)


def set_length(runner: DenseRunner) -> list[str]:
    """Convert epochs to iterations, fill in the schedules, and keep those of a checkpoint with a time limit.

    Returns:
        Settings of schedules that never take effect, one line each.
    Raises:
        UserError: a schedule is invalid, or the time limit is not that of the checkpoint.
    """
    settings, schedules = runner.cfg.train_cfg, runner.cfg.get("param_scheduler") or []
    schedules = [schedules] if isinstance(schedules, dict) else schedules
    if counts_epochs(settings) or any("step_epochs" in schedule for schedule in schedules):
        batch = runner.cfg.train_dataloader.get("batch_size", 1) * runner.world_size
        resolve_epochs(settings, len(runner._dataset("train")), batch)
        resolve_steps(schedules, len(runner._dataset("train")), batch)
    notes = fill_schedules(runner.cfg)
    path = Path(runner._load_from) if runner._load_from else find_last_checkpoint(Path(runner.work_dir))
    if runner._resume and path is not None and path.is_file():
        keep_schedule(runner, readable(path))
    runner.param_schedulers = copy.deepcopy(runner.cfg.param_scheduler)
    for key in ("epochs", "val_epochs"):
        runner._train_loop.pop(key, None)
    numbers = {key: settings[key] for key in ("max_iters", "val_interval", "max_time") if key in settings}
    runner._train_loop.update(numbers)
    return notes


def scale_rate(runner: DenseRunner) -> list[str]:
    """Scale the learning rate with the images per step, if the config wants it.

    ``auto_scale_lr=True`` takes the rate as that of ``total_batch`` images per step; mmengine's form states the number,
    ``dict(enable=True, base_batch_size=512)``. ``total_batch`` becomes the number that the rate is then for, so that
    the copy of the config in the work dir is not scaled twice.

    Returns:
        A line about it, empty if nothing changed.
    Raises:
        UserError: the setting has another form, or there is no number or no rate.
    """
    base, config = _base_of_rate(runner.cfg), runner.cfg
    runner.auto_scale_lr = None  # mmengine's own way says nothing on the screen
    if base is None:
        return []
    loader, wrapper = config.train_dataloader, config.optim_wrapper
    images = loader.get("batch_size", 1) * runner.world_size * wrapper.get("accumulative_counts", 1)
    before = wrapper.optimizer.get("lr")
    if before is None:
        raise UserError("config, auto_scale_lr scales the learning rate; set optim_wrapper.optimizer.lr")
    config.total_batch, config.auto_scale_lr = images, True
    if images == base:
        return []
    rate = before * images / base
    for built in (config.optim_wrapper, runner.optim_wrapper):
        built["optimizer"]["lr"] = rate
    return [f"learning rate {before:.4g} for {base:,} images per step, scaled to {rate:.4g} for {images:,}"]


def _base_of_rate(config: Config) -> int | None:
    setting = config.get("auto_scale_lr")
    if isinstance(setting, dict):
        wanted, base, key = setting.get("enable", False), setting.get("base_batch_size"), "base_batch_size"
    else:
        wanted, base, key = setting, config.get("total_batch"), "total_batch"
    if wanted not in (None, True, False):
        raise UserError(f"config, auto_scale_lr is {setting!r}; give True, with total_batch, or False")
    if not wanted:
        return None
    if base is None:
        raise UserError(f"config, auto_scale_lr needs {key}: the number of images per step that the rate is for")
    return whole_number(f"auto_scale_lr, {key}", base)


def use_amp(config: Config, precision: str) -> None:
    """Switch a config to mixed precision, "bf16" or "fp16".

    Raises:
        UserError: the config's optimizer wrapper has no mixed precision.
    """
    if not isinstance(config.get("optim_wrapper"), dict):
        return  # the check of the config's parts reports it
    wrapper = resolve_type(config.optim_wrapper.get("type", GuardedOptimWrapper), OPTIM_WRAPPERS)
    if not issubclass(wrapper, GuardedOptimWrapper):
        raise UserError(f"--amp: optim_wrapper is a {wrapper.__name__}; it needs a GuardedOptimWrapper")
    config.optim_wrapper.amp = precision
