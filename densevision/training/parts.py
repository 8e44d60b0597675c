"""Check that a config has the parts that a run needs, each of the right kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from torch import nn

from densevision.config.types import resolve_type
from densevision.errors import UserError
from densevision.registry import LOOPS
from densevision.training.loop import TrainLoop

_NEEDED = ("model", "train_dataloader", "train_cfg", "optim_wrapper", "optim_wrapper.optimizer")  # by a training
_DICTS = (
    *(*_NEEDED, "train_dataloader.dataset", "default_hooks", "default_hooks.runtime_info", "randomness", "env_cfg"),
    *("env_cfg.mp_cfg", "val_dataloader.dataset", "test_dataloader.dataset"),
)
_MAY_BE_NONE = ("default_hooks", "randomness", "env_cfg", "env_cfg.mp_cfg")
_EVALUATIONS = ("val", "test")


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
    if training:
        _check_loop(config.train_cfg)
    _check_kind("model", config.model, nn.Module)
    _check_lists(config)
    for split in _EVALUATIONS:
        _check_evaluation(config, split)


def _check_loop(settings: ConfigDict) -> None:
    kind = settings.get("type")
    stated = "max_iters" in settings or settings.get("epochs") is not None
    if not stated or not (kind and issubclass(resolve_type(kind, LOOPS), TrainLoop)):
        raise UserError(
            f"config, train_cfg is {dict(settings)}; this training counts iterations, and needs "
            "dict(type=TrainLoop, max_iters=..., val_interval=...), or epochs and val_epochs, with "
            "densevision.training.loop.TrainLoop"
        )


def _check_lists(config: Config) -> None:
    for key in ("param_scheduler", "custom_hooks"):
        value = config.get(key)
        if value is None or key == "param_scheduler" and isinstance(value, dict):
            continue
        if not isinstance(value, list | tuple) or any(not isinstance(item, dict) for item in value):
            raise UserError(f"config, {key} is {value!r}; it must be a list of dicts")
    for place, hook in enumerate(config.get("custom_hooks") or ()):
        _check_kind(f"custom_hooks.{place}", hook, Hook)
    clip = (config.get("optim_wrapper") or {}).get("clip_grad")
    if clip is not None and not isinstance(clip, dict):
        raise UserError(f"config, optim_wrapper.clip_grad is {clip!r}; it must be a dict such as dict(max_norm=10.0)")


def _check_kind(place: str, part: Mapping, kind: type) -> None:
    """Check a class in a ``type``; the registry that builds the part checks names."""
    found = part.get("type")
    if isinstance(found, type) and not issubclass(found, kind):
        raise UserError(f"config, {place}: {found.__name__} is no {kind.__module__.split('.')[0]} {kind.__name__}")


def _check_evaluation(config: Config, split: str) -> None:
    keys = [f"{split}_{part}" for part in ("dataloader", "evaluator", "cfg")]
    if any(key in config and config[key] is None for key in keys) or not any(key in config for key in keys):
        for key in keys:
            config[key] = None
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
