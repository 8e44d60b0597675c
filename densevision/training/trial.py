"""Build the parts of a config that need no data, to find what is wrong with them before any data are read."""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.logging import HistoryBuffer
from mmengine.optim import build_optim_wrapper
from mmengine.registry import LOG_PROCESSORS, Registry, build_from_cfg
from mmengine.runner import Priority, get_priority
from torch import nn
from torch.utils.data import DataLoader

from densevision.config.build_errors import config_errors
from densevision.config.derive import LOADERS
from densevision.config.hints import parameters_of
from densevision.config.places import place_of
from densevision.config.readers import mappings, near
from densevision.config.types import resolve_type
from densevision.data.augment import Augment
from densevision.errors import UserError
from densevision.registry import HOOKS, MODELS, OPTIMIZERS, PARAM_SCHEDULERS, TRANSFORMS
from densevision.training.prepare import AUTO

_EXAMPLE_CLASSES = 2  # of a model whose classes the data state
_UNKNOWN = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_LENGTH = 10**9  # iterations of a schedule that lasts until the end


def try_parts(config: Config) -> None:
    """Build model, optimizer, schedules, transforms and moving average once, and forget them.

    The random states stay as they were.

    Raises:
        UserError: names the part.
    """
    with torch.random.fork_rng(devices=[]):
        model = _try("model", config.model, lambda: _model(config.model))
        settings = copy.deepcopy(config.optim_wrapper)
        _try("optim_wrapper.optimizer", settings.optimizer, partial(_step, dict(settings.optimizer)))
        wrapper = _try("optim_wrapper", settings, lambda: build_optim_wrapper(model, settings))
        _check_modules(model, config.get("activation_checkpointing") or ())
        if isinstance(settings := config.get("compile"), Mapping):
            _try("compile", settings, lambda: torch.compile(nn.Linear(1, 1), **_without_target(settings)))
        for place, part in mappings(dict(config.items())):
            if (where := place_of(place)) and where.registry in _TRIALS:
                _try(place, part, partial(_TRIALS[where.registry], dict(part), wrapper))
            elif place in LOADERS:
                _try(place, part, partial(_loader, part))


def _try(place: str, part: Mapping, build: Callable[[], Any]) -> Any:
    try:
        with config_errors():
            return build()
    except UserError as error:
        cause = error.__cause__
        text = (cause and (_argument(place, part, cause) or _without_type(place, part, cause))) or str(error)
        raise UserError(_with_place(_inner_place(place, part, cause), text)) from error
    except Exception as error:  # a part may raise anything where its arguments are wrong
        text = _argument(place, part, error) or " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(_with_place(place, text)) from error


def _argument(place: str, part: Mapping, error: BaseException) -> str | None:
    """Return what to say on an argument that a function behind a part does not have, with its dotted key."""
    found = _UNKNOWN.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return None
    function, name = found.groups()
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    members = [one for frame in frames for one in [*frame.f_locals.values(), *frame.f_globals.values()]]
    named = [one for one in members if callable(one) and getattr(one, "__name__", None) == function]
    known = parameters_of(named[0]) if named else {}
    keys = [f"{where}.{name}" for where, mapping in mappings(part, place) if name in mapping]
    return f"{keys[0] if keys else place}: there is no argument {name!r}{near(name, known)}"


def _without_type(place: str, part: Mapping, error: BaseException) -> str | None:
    """Return what to say on a part in the part that has no type, with its dotted key."""
    built = _built(error)
    if built is None or "type" in built:
        return None
    return f"{_inner_place(place, part, error)} has no type; it must name a class"


def _built(error: BaseException) -> Mapping | None:
    """Return the innermost dict that a registry was building from."""
    built = [frame.f_locals.get("cfg") for frame, _ in traceback.walk_tb(error.__traceback__) if _builds(frame)]
    return built[-1] if built and isinstance(built[-1], Mapping) else None


def _inner_place(place: str, part: Mapping, error: BaseException | None) -> str:
    """Return the dotted key of the dict in ``part`` that a registry was building from; ``place`` if it is not known."""
    built = None if error is None else _built(error)
    if built is None:
        return place
    inner = [(where, one) for where, one in mappings(part, place) if where != place]
    keys = [where for where, one in inner if all(built.get(key) == value for key, value in one.items())]
    return keys[-1] if keys else place


def _builds(frame: FrameType) -> bool:
    return frame.f_code is build_from_cfg.__code__


def _with_place(place: str, text: str) -> str:
    text = text.removeprefix("config, ")
    return f"config, {text}" if text.startswith(place) else f"config, {place}: {text}"


def _log_processor(settings: dict[str, Any], wrapper: Any) -> None:
    LOG_PROCESSORS.build(dict(type="LogProcessor") | settings)
    known = HistoryBuffer._statistics_methods  # mmengine has no other list of them
    for own in settings.get("custom_cfg") or ():
        if own.get("method_name", "current") not in known:
            raise UserError(f"custom_cfg has method_name {own['method_name']!r}; it must be one of {', '.join(known)}")


def _without_target(settings: Mapping) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "target"}


def _check_modules(model: nn.Module, names: Sequence[str]) -> None:
    known = dict(model.named_modules())
    for name in names:
        if name not in known:
            raise UserError(f"config, activation_checkpointing: the model has no module {name!r}{near(name, known)}")


def _model(settings: Mapping) -> nn.Module:
    built = MODELS.build(_with_classes(settings))
    if not isinstance(built, nn.Module):
        raise UserError(f"model.type builds {built!r:.60}; it must build a torch Module")
    return built


def _with_classes(model: Mapping) -> dict[str, Any]:
    settings = copy.deepcopy(dict(model))
    if "num_classes" in settings and settings["num_classes"] is None:
        settings["num_classes"] = _EXAMPLE_CLASSES
    return settings


def _step(optimizer: dict[str, Any]) -> None:
    """Build an optimizer and take a step: some need sparse gradients, or a function to call."""
    weight = nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.zeros(2, 2)
    OPTIMIZERS.build(optimizer | dict(params=[weight])).step()


def _schedule(settings: dict[str, Any], wrapper: Any) -> None:
    settings = {"end": _LENGTH, **settings, "by_epoch": False}
    if settings["end"] is None:
        settings["end"] = _LENGTH
    if settings.pop("step_epochs", None) is not None:
        settings["step_size"] = _LENGTH
    PARAM_SCHEDULERS.build(settings, default_args=dict(optimizer=wrapper))


def _transform(settings: dict[str, Any], wrapper: Any) -> None:
    Augment([settings], boxes=False)


def _hook(settings: dict[str, Any], wrapper: Any) -> None:
    """Build a hook whose constructor only takes settings, and the averaged model that mmengine's EMAHook builds."""
    priority = settings.pop("priority", "NORMAL")
    try:
        get_priority(priority)
    except (KeyError, ValueError, TypeError) as error:
        known = ", ".join(Priority.__members__)
        raise UserError(f"priority is {priority!r}; it must be one of {known}, or 0 to 100") from error
    if resolve_type(settings["type"], HOOKS).__module__.startswith(("densevision.", "mmengine.")):
        hook = HOOKS.build(settings)
        if isinstance(hook, EMAHook):
            MODELS.build(dict(hook.ema_cfg), default_args=dict(model=nn.Linear(1, 1)))


def _loader(settings: Mapping) -> None:
    """Let torch check the settings that are not parts; nothing is loaded and no process is started."""
    plain = {key: value for key, value in settings.items() if not isinstance(value, Mapping) and value != AUTO}
    plain.pop("num_batch_per_epoch", None)
    if not plain.get("num_workers"):
        plain = {key: value for key, value in plain.items() if key not in ("prefetch_factor", "persistent_workers")}
    data: Any = [0]
    DataLoader(data, **{"sampler": [0], **plain})


_TRIALS: dict[Registry, Callable[[dict[str, Any], Any], None]] = {
    PARAM_SCHEDULERS: _schedule,
    TRANSFORMS: _transform,
    HOOKS: _hook,
    LOG_PROCESSORS: _log_processor,
}
