"""Convert a config to the form that the runner takes, and reject invalid numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from densevision.config.derive import LOADERS
from densevision.config.types import resolve_type
from densevision.errors import UserError, shown
from densevision.registry import PARAM_SCHEDULERS
from densevision.training.lengths import check_length, parse_duration

_LEAST = {  # smallest value of every whole number; those in _MAY_BE_NONE may also be None
    "total_batch": 1,
    "train_cfg.max_iters": 1,
    "train_cfg.val_interval": 1,
    "train_cfg.patience": 1,
    "optim_wrapper.accumulative_counts": 1,
    "randomness.seed": 0,
    "auto_scale_lr.base_batch_size": 1,
    "model.num_classes": 1,
    "model.head.filters": 1,
    **{f"{loader}.batch_size": 1 for loader in LOADERS},
    **{f"{loader}.num_workers": 0 for loader in LOADERS},
    **{f"{loader}.prefetch_factor": 1 for loader in LOADERS},
    **{f"{loader}.num_batch_per_epoch": 1 for loader in LOADERS},
    "train_dataloader.sampler.seed": 0,
    "log_processor.window_size": 1,
}
_MOST = {"model.bn_momentum": 1.0, "model.backbone.width": 100.0}  # largest value of numbers over 0
AUTO = "auto"  # num_workers
_LARGEST_SEED = 2**32 - 1  # NumPy's
_MOST_CLASSES = 10**6
_CRITICAL = 50  # the highest level of logging
_CLIP_LIMITS = {"norm": "max_norm", "value": "clip_value"}
_MAY_BE_NONE = {
    "total_batch",
    "model.num_classes",
    "train_cfg.patience",
    "randomness.seed",
    "train_dataloader.sampler.seed",
    *(f"{loader}.prefetch_factor" for loader in LOADERS),
    *(f"{loader}.num_batch_per_epoch" for loader in LOADERS),
}


def whole_number(key: str, value: object, least: int = 1) -> int:
    """Return ``value``, which must be a whole number from ``least``.

    Raises:
        UserError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        place = key if key.startswith("--") else f"config, {key}"
        raise UserError(f"{place} is {shown(value)}; it must be a whole number from {least}")
    return value


def check_numbers(config: Config) -> None:
    """Check counts, intervals, batch sizes, the learning rate and bounds.

    Raises:
        UserError: one is invalid.
    """
    settings = config.get("train_cfg") or {}
    check_length(settings)
    if settings.get("max_time") is not None:
        parse_duration("train_cfg.max_time", settings["max_time"])
    for key, least in _LEAST.items():
        mapping, last = _lookup(config, key)
        if last == "num_workers" and mapping.get(last) == AUTO:
            continue
        if last in mapping and (mapping[last] is not None or key not in _MAY_BE_NONE):
            whole_number(key, mapping[last], least)
    for key, most in _MOST.items():
        mapping, last = _lookup(config, key)
        if last in mapping:
            _positive(key, mapping[last])
            if mapping[last] > most:
                raise UserError(f"config, {key} is {mapping[last]!r}; it must be {most:g} at most")
    if ((config.get("randomness") or {}).get("seed") or 0) > _LARGEST_SEED:
        raise UserError(f"config, randomness.seed is {config.randomness.seed}; it must be {_LARGEST_SEED} at most")
    if (_lookup(config, "model.num_classes")[0].get("num_classes") or 0) > _MOST_CLASSES:
        raise UserError(f"config, model.num_classes is {config.model.num_classes}; it must be {_MOST_CLASSES} at most")
    if isinstance(level := config.get("log_level"), int) and not 0 <= level <= _CRITICAL:
        raise UserError(f"config, log_level is {level}; it must be 0 to {_CRITICAL}, or a name such as 'INFO'")
    wrapper = config.get("optim_wrapper") or {}
    _check_optimizer(wrapper.get("optimizer") or {})
    _check_clip(wrapper.get("clip_grad") or {})
    _check_intervals(config)
    for number, schedule in enumerate(_listed(config.get("param_scheduler"))):
        without_shares = {key: value for key, value in schedule.items() if not _is_share(key, value)}
        _check_schedule(f"param_scheduler.{number} ({_type_name(schedule)})", without_shares)
    if settings.get("max_iters") is not None:
        _check_average(config, settings["max_iters"])


def _check_optimizer(settings: Mapping) -> None:
    place = "optim_wrapper.optimizer"
    if "lr" in settings:
        _positive(f"{place}.lr", settings["lr"], zero=True)
    momentum = settings.get("momentum")
    if isinstance(momentum, int | float) and momentum >= 1:
        raise UserError(f"config, {place}.momentum is {momentum}; it must be less than 1")


def _check_clip(settings: Mapping) -> None:
    place, kind = "optim_wrapper.clip_grad", settings.get("type", "norm")
    if not isinstance(kind, str) or kind not in _CLIP_LIMITS:
        raise UserError(f"config, {place}.type is {shown(kind)}; it must be 'norm' or 'value'")
    if settings and _CLIP_LIMITS[kind] not in settings:
        raise UserError(f"config, {place} has no {_CLIP_LIMITS[kind]}; give dict({_CLIP_LIMITS[kind]}=10.0)")
    for key in (*_CLIP_LIMITS.values(), "norm_type"):
        if key in settings:
            _positive(f"{place}.{key}", settings[key])


def _check_intervals(config: Config) -> None:
    """Check every interval and patience of a hook; None stands for the default of ours."""
    named = [(f"default_hooks.{name}", hook) for name, hook in (config.get("default_hooks") or {}).items()]
    named += [(f"custom_hooks.{number}", hook) for number, hook in enumerate(config.get("custom_hooks") or [])]
    for place, hook in named:
        for key in ("interval", "patience"):
            if isinstance(hook, Mapping) and hook.get(key) is not None:
                whole_number(f"{place}.{key}", hook[key])


def _lookup(config: Config, key: str) -> tuple[Any, str]:
    """Return the dict that may have a dotted key, empty if it is missing, and the key's last word."""
    *parents, last = key.split(".")
    mapping: Any = config
    for parent in parents:
        mapping = mapping.get(parent) or {}
        if not isinstance(mapping, dict):
            return {}, last
    return mapping, last


def _listed(schedules: object) -> Sequence[ConfigDict]:
    return (
        [schedules] if isinstance(schedules, ConfigDict) else schedules if isinstance(schedules, list | tuple) else []
    )


def _positive(key: str, value: object, *, zero: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"config, {key} is {shown(value)}; it must be a number")
    if not (value > 0 or zero and value == 0):  # also NaN
        raise UserError(f"config, {key} is {value!r}; it must be {'0 or more' if zero else 'greater than 0'}")


def set_workers(config: Config) -> None:
    """Choose the number of loader workers where it is missing or "auto", and limit it to the number of cores.

    The number changes no sample. Without workers, remove the settings of workers, which torch would reject.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    automatic = automatic_workers(cores, int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    for name in LOADERS:
        if config.get(name):
            stated = config[name].get("num_workers", AUTO)
            config[name].num_workers = automatic if stated == AUTO else min(stated, cores)
            if config[name].num_workers == 0:
                for key in ("prefetch_factor", "persistent_workers"):
                    config[name].pop(key, None)


def automatic_workers(cores: int, processes: int) -> int:
    """Return the number of loader workers of each process: half of its cores, at most 8.

    Args:
        cores: of this machine.
        processes: training processes on this machine.
    """
    return min(8, cores // processes // 2)


def fill_schedules(config: Config) -> list[str]:
    """Count schedules in iterations; a schedule without an end lasts until the end of the training.

    A begin or end between 0 and 1 is a share of the training.

    A schedule that would begin after the end is removed: a trial run only needs a small ``max_iters``.

    Returns:
        Settings of schedules that never take effect, one line each.
    Raises:
        UserError: a schedule counts epochs, or its begin or end is not an iteration.
    """
    last = config.train_cfg.max_iters
    kept, notes = [], []
    for number, schedule in enumerate(_listed(config.get("param_scheduler"))):
        name = f"param_scheduler.{number} ({_type_name(schedule)})"
        _resolve_shares(schedule, last)
        _check_schedule(name, schedule)
        if schedule.get("begin", 0) >= last:
            notes.append(f"{name} begins at iteration {schedule.begin}, the training ends at {last}: it is ignored")
            continue
        schedule.by_epoch = False
        schedule.setdefault("end", last)
        notes += [f"{name} {note}" for note in _without_effect(schedule, last)]
        kept.append(schedule)
    config.param_scheduler = kept
    _check_average(config, last)
    return notes


def _resolve_shares(schedule: dict, last: int) -> None:
    for key, value in schedule.items():
        if _is_share(key, value):
            schedule[key] = max(1, round(value * last))


def _is_share(key: str, value: object) -> bool:
    """Whether a schedule's begin or end is a share of the training."""
    return key in ("begin", "end") and isinstance(value, float) and 0 < value < 1


def _check_schedule(name: str, schedule: dict) -> None:
    if schedule.get("by_epoch") or schedule.get("convert_to_iter_based"):
        raise UserError(
            f"config, {name} counts epochs, but this training counts iterations: omit by_epoch and "
            "convert_to_iter_based, and give begin, end and the like in iterations"
        )
    if _type_name(schedule).startswith("ReduceOnPlateau"):
        raise UserError(f"config, {name} works with epochs only, but this training counts iterations; use another one")
    for key, least in (("begin", 0), ("end", 1), ("T_max", 1), ("step_size", 1)):
        if schedule.get(key) is not None:
            whole_number(f"{name}.{key}", schedule[key], least)
    if "gamma" in schedule:
        _positive(f"{name}.gamma", schedule["gamma"])
    if "start_factor" in schedule:
        _positive(f"{name}.start_factor", schedule["start_factor"])
    for step in schedule.get("milestones") or ():
        whole_number(f"{name}.milestones", step, 0)
    if "step_epochs" in schedule:
        _positive(f"{name}.step_epochs", schedule["step_epochs"])
        if "step_size" in schedule:
            raise UserError(f"config, {name} has step_size and step_epochs; give one of them")
    if "end" in schedule and schedule["end"] is None:
        del schedule["end"]


def _without_effect(schedule: ConfigDict, last: int) -> list[str]:
    begin, end, notes = schedule.get("begin", 0), schedule.end, []
    length = end - begin
    if end > last:
        share = f"{100 * (last - begin) / length:.0f} %"
        notes.append(f"lasts until iteration {end}, the training ends at {last}: {share} of it takes effect")
    period = schedule.get("T_max")
    if period and period < length:
        notes.append(f"has T_max={period} and lasts {length} iterations: the value rises again after {period}")
    if period and period > length:
        notes.append(f"has T_max={period} and lasts {length} iterations: it never reaches eta_min")
    late = [step for step in schedule.get("milestones", ()) if begin + step >= last]
    if late:
        notes.append(f"has milestones {', '.join(map(str, late))} after the end of the training, iteration {last}")
    if schedule.get("step_size", 0) >= last - begin:
        notes.append(f"has step_size={schedule.step_size}, which the training does not reach: it never steps")
    return notes


def _check_average(config: Config, last: int) -> None:
    average = (config.get("default_hooks") or {}).get("ema") or {}
    begin = whole_number("default_hooks.ema.begin_iter", average.get("begin_iter", 0), 0)
    if average.get("begin_epoch"):
        raise UserError("config, default_hooks.ema.begin_epoch counts epochs; give begin_iter, in iterations")
    if begin > last:
        raise UserError(
            f"config, default_hooks.ema.begin_iter is {begin}, after the end of the training, iteration {last}; "
            "decrease it, or disable the average with default_hooks.ema=None"
        )


def _type_name(mapping: ConfigDict) -> str:
    return resolve_type(mapping.get("type"), PARAM_SCHEDULERS).__name__
