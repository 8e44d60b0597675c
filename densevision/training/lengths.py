"""How long a training is: epochs as iterations, durations as seconds, a schedule scaled to another length."""

from __future__ import annotations

import math
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, ConfigDict

from densevision.config.types import resolve_type
from densevision.errors import UserError
from densevision.registry import PARAM_SCHEDULERS

_PAIRS = (("max_iters", "epochs"), ("val_interval", "val_epochs"))  # two ways to state the same
_EVALUATIONS = 10  # of a training that counts epochs and does not state how often it evaluates
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")
_ITERATIONS = ("begin", "end", "T_max", "step_size", "total_steps")  # keys of schedules that count iterations
_LISTS = ("milestones", "periods")


@dataclass(frozen=True)
class Length:
    """The length of a training.

    Attributes:
        max_iters: iterations.
        val_interval: iterations between two evaluations.
    """

    max_iters: int
    val_interval: int


def parse_duration(key: str, value: object) -> float:
    """Return a duration such as "20m", "90s", "1h30m" or "2h" in seconds.

    Raises:
        UserError: it is none, or it is 0.
    """
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total < math.inf:
        raise UserError(f"{key} is {value!r}; give a duration such as 90s, 20m or 1h30m")
    return total


def check_length(settings: MutableMapping[str, Any]) -> None:
    """Check the keys of ``train_cfg`` that count epochs, and remove those that are None.

    Raises:
        UserError: a number is invalid, or a length is stated twice or not at all.
    """
    for counted, epochs in _PAIRS:
        if settings.get(epochs) is None:
            settings.pop(epochs, None)
            continue
        value = settings[epochs]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise UserError(f"config, train_cfg.{epochs} is {value!r}; it must be a number of epochs greater than 0")
        if settings.get(counted) is not None:
            raise UserError(
                f"config, train_cfg has {counted}={settings[counted]} and {epochs}={value:g}; give one of them "
                f"({counted}=None removes that of a base)"
            )
        settings.pop(counted, None)


def resolve_epochs(settings: MutableMapping[str, Any], images: int, batch: int) -> None:
    """Convert the epochs of ``train_cfg`` to ``max_iters`` and ``val_interval``.

    Args:
        settings: checked by ``check_length``; it is changed.
        images: number of training images.
        batch: images per iteration, over all processes.
    """
    epochs, val_epochs = settings.pop("epochs", None), settings.pop("val_epochs", None)
    if epochs is not None:
        settings["max_iters"] = max(1, math.ceil(round(epochs * images / batch, 6)))
        if val_epochs is None and "val_interval" not in settings:
            settings["val_interval"] = math.ceil(settings["max_iters"] / _EVALUATIONS)
    if val_epochs is not None:
        settings["val_interval"] = max(1, round(val_epochs * images / batch))


def resolve_steps(schedules: Sequence[MutableMapping[str, Any]], images: int, batch: int) -> None:
    """Convert the ``step_epochs`` of schedules to ``step_size``, in iterations.

    Args:
        schedules: are changed.
        images, batch: as of ``resolve_epochs``.
    """
    for schedule in schedules:
        if "step_epochs" in schedule:
            schedule["step_size"] = max(1, round(schedule.pop("step_epochs") * images / batch))


def counts_epochs(settings: MutableMapping[str, Any]) -> bool:
    """Return whether ``resolve_epochs`` has something to convert."""
    return "epochs" in settings or "val_epochs" in settings


def scale_schedule(config: Config, length: Length) -> None:
    """Scale a training to another length: its schedules keep their share of it.

    Args:
        config: with the iterations of every schedule filled in; ``train_cfg``, ``param_scheduler`` and the begin of
            the moving average are changed.
    """
    old, new = config.train_cfg.max_iters, length.max_iters
    for schedule in config.get("param_scheduler") or []:
        _scale(schedule, old, new)
    average = (config.get("default_hooks") or {}).get("ema") or {}
    if "begin_iter" in average:
        average["begin_iter"] = scaled(average["begin_iter"], old, new)
    config.train_cfg.update(max_iters=new, val_interval=length.val_interval)


def scaled(iteration: int, old: int, new: int) -> int:
    """Return the iteration of a training of ``new`` iterations that one of a training of ``old`` becomes.

    Only 0 becomes 0, and equal iterations stay equal.
    """
    return max(1, (2 * iteration * new + old) // (2 * old)) if iteration else 0


def _scale(schedule: ConfigDict, old: int, new: int) -> None:
    for key in _ITERATIONS:
        if schedule.get(key) is not None:
            schedule[key] = scaled(schedule[key], old, new)
    for key in _LISTS:
        if schedule.get(key) is not None:
            schedule[key] = [scaled(step, old, new) for step in schedule[key]]
    if resolve_type(schedule.get("type"), PARAM_SCHEDULERS).__name__.startswith("Exponential"):
        schedule.gamma = schedule.gamma ** (old / new)  # the factor of one iteration
