"""Check that a config has the parts that a run needs, each of the right kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dataset import InfiniteSampler
from mmengine.runner import TestLoop, ValLoop

from densevision.config.hints import parameters_of
from densevision.config.init_from import InitFrom
from densevision.config.part_types import check_types
from densevision.config.types import resolve_type
from densevision.data.sampler import SeededSampler
from densevision.errors import UserError, shown
from densevision.registry import DATA_SAMPLERS, LOOPS, METRICS, MODELS
from densevision.task import TASKS
from densevision.training.loop import TrainLoop

_NEEDED = ("model", "train_dataloader", "train_cfg", "optim_wrapper", "optim_wrapper.optimizer")  # by a training
_DICTS = (
    *(*_NEEDED, "train_dataloader.dataset", "default_hooks", "default_hooks.runtime_info", "randomness", "env_cfg"),
    *("env_cfg.mp_cfg", "val_dataloader.dataset", "test_dataloader.dataset"),
)
_MAY_BE_NONE = ("default_hooks", "randomness", "env_cfg", "env_cfg.mp_cfg")
_EVALUATIONS = ("val", "test")
_OTHER_LOOPS: dict[str, type] = {"val": TestLoop, "test": ValLoop}
_NAME = re.compile(r"[\w.,=+ -]{1,200}")  # of an experiment: files are named after it


def check_parts(config: Config, *, training: bool) -> None:
    """Check that a config has the parts that a run needs, and remove optional ones that are None.

    Without a loader, an evaluator or a loop (None), there is no validation, or no test.

    Raises:
        UserError: a part is missing or has the wrong kind.
    """
    for key in _NEEDED if training else ("model",):
        if _lookup(config, key) is None:
            raise UserError(f"config, {key} is missing or None; {'a training' if training else 'a model'} needs it")
    for key in _DICTS:
        value = _lookup(config, key, {})
        if value is None and key in _MAY_BE_NONE:
            _remove(config, key)
        elif not isinstance(value, dict):
            raise UserError(f"config, {key} is {value!r}; it must be a dict")
    name = config.get("experiment_name")
    if name is not None and not _NAME.fullmatch(name):
        raise UserError(f"config, experiment_name is {shown(name)}; give letters, digits and signs such as _ and -")
    _check_lists(config)
    check_types(_used(config, training=training))
    if training:
        _check_loop(config.train_cfg)
        if "dataset" not in config.train_dataloader:
            raise UserError("config, train_dataloader.dataset is missing; a training needs it")
        _check_train_sampler(config)
        _check_start(config)
    for split in _EVALUATIONS:
        _check_evaluation(config, split)
        _check_metrics(config, f"{split}_evaluator")


def _check_loop(settings: ConfigDict) -> None:
    kind = settings.get("type")
    stated = "max_iters" in settings or settings.get("epochs") is not None
    if not stated or not (kind and issubclass(resolve_type(kind, LOOPS), TrainLoop)):
        raise UserError(
            f"config, train_cfg is {dict(settings)}; this training counts iterations, and needs "
            "dict(type=TrainLoop, max_iters=..., val_interval=...), or epochs and val_epochs, with "
            "densevision.training.loop.TrainLoop"
        )


def _check_start(config: Config) -> None:
    """Check the files that a training starts from."""
    if (start := config.get("load_from")) and not Path(start).is_file():
        raise UserError(f"config, load_from: no weights file {start}")
    if config.get("init_from") is not None and not config.get("resume"):
        options = InitFrom.parse(config.init_from)
        library, colon, network = options.source.partition(":")
        if not options.source or colon and not network:
            raise UserError(f"config, init_from is {options.source!r}; give a file, or library:network")
        if options.model is None and ":" not in options.source and not Path(options.source).exists():
            raise UserError(
                f"config, init_from: no file {options.source}; published networks are written like "
                "timm:mobilenetv3_large_100"
            )


def _used(config: Config, *, training: bool) -> dict[str, Any]:
    unused = () if training else ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler")
    return {key: value for key, value in config.items() if key not in unused and value is not None}


def _check_lists(config: Config) -> None:
    for key in ("param_scheduler", "custom_hooks"):
        value = config.get(key)
        if value is None or key == "param_scheduler" and isinstance(value, dict):
            continue
        if not isinstance(value, list | tuple) or any(not isinstance(item, dict) for item in value):
            raise UserError(f"config, {key} is {value!r}; it must be a list of dicts")
    if config.get("param_scheduler") and _lookup(config, "default_hooks.param_scheduler", {}) is None:
        raise UserError("config, default_hooks.param_scheduler is None, so param_scheduler does nothing; remove one")
    clip = (config.get("optim_wrapper") or {}).get("clip_grad")
    if clip is not None and not isinstance(clip, dict):
        raise UserError(f"config, optim_wrapper.clip_grad is {clip!r}; it must be a dict such as dict(max_norm=10.0)")


def _check_train_sampler(config: Config) -> None:
    sampler = config.train_dataloader.get("sampler")
    kind = resolve_type(sampler.get("type"), DATA_SAMPLERS) if isinstance(sampler, Mapping) else None
    if kind is None or kind.__module__.startswith(("mmengine.", "torch.")):  # they give indices without seeds
        stated = f"is {kind.__name__}" if kind else "is missing"
        raise UserError(f"config, train_dataloader.sampler {stated}; a training needs dict(type=SeededSampler)")


def _check_metrics(config: Config, key: str) -> None:
    """Check that there are metrics, and none of another task than the model's."""
    value = config.get(key)
    if value is None:
        return
    metrics = value["metrics"] if isinstance(value, dict) and "metrics" in value else value
    metrics = metrics if isinstance(metrics, list | tuple) else [metrics]
    if not metrics or not all(isinstance(metric, Mapping) for metric in metrics):
        raise UserError(f"config, {key} is {value!r}; it must be dict(type=...) of a metric, or a list of such")
    task = TASKS.get(getattr(resolve_type(config.model.type, MODELS), "task", ""))
    foreign = {other.primary_metric for other in TASKS.values() if task and other is not task}
    for metric in metrics:
        kind = resolve_type(metric.get("type"), METRICS)
        if task and getattr(kind, "best_key", None) in foreign:
            raise UserError(f"config, {key}: {kind.__name__} is no metric of a {task.noun}")


def _check_sampler_ends(config: Config, loader: str) -> None:
    if not config.get(loader):
        return
    if "sampler" not in config[loader] and "batch_sampler" not in config[loader]:
        raise UserError(f"config, {loader}.sampler is missing; add dict(type=DefaultSampler, shuffle=False)")
    kind = (config[loader].get("sampler") or {}).get("type")
    if kind is not None and issubclass(resolve_type(kind, DATA_SAMPLERS), SeededSampler | InfiniteSampler):
        raise UserError(f"config, {loader}.sampler never ends; give dict(type=DefaultSampler, shuffle=False)")


def _counts_batches(config: Config, key: str, other: type) -> bool:
    kind = (config.get(key) or {}).get("type")
    found = None if kind is None else resolve_type(kind, LOOPS)
    return found is None or "evaluator" in parameters_of(found) and not issubclass(found, other)


def _check_evaluation(config: Config, split: str) -> None:
    keys = [f"{split}_{part}" for part in ("dataloader", "evaluator", "cfg")]
    _check_sampler_ends(config, keys[0])
    if any(key in config and config[key] is None for key in keys) or not any(key in config for key in keys):
        for key in keys:
            config[key] = None
    elif not _counts_batches(config, f"{split}_cfg", _OTHER_LOOPS[split]):
        raise UserError(
            f"config, {split}_cfg.type is no loop of this evaluation; name mmengine's {split.capitalize()}Loop"
        )
    elif missing := [key for key in keys if key not in config]:
        raise UserError(f"config, {missing[0]} is missing; add it, or disable this evaluation with {keys[0]}=None")


def _lookup(config: Config, key: str, default: object = None) -> Any:
    """Return the value at a dotted key; ``default`` if it, or a part above it, is missing."""
    value = config
    for part in key.split("."):
        if not isinstance(value, dict | Config) or part not in value:
            return default
        value = value[part]
    return value


def _remove(config: Config, key: str) -> None:
    *parents, last = key.split(".")
    parent = _lookup(config, ".".join(parents)) if parents else config
    parent.pop(last)
