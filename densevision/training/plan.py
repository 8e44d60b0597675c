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
from densevision.training.prepare import fill_schedules
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
