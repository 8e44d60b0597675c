"""What reads the items of each dict of a config: the class or function whose signature says what they may be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import torch
from mmengine.hooks import EMAHook
from mmengine.runner import LogProcessor, Runner, set_random_seed
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from densevision import registry
from densevision.config.derive import LOADERS
from densevision.config.hints import parameters_of, takes_any
from densevision.config.init_from import InitFrom
from densevision.config.places import place_of
from densevision.config.teacher import TeacherOptions
from densevision.config.types import resolve_type
from densevision.errors import UserError, did_you_mean

OURS: dict[str, object] = {
    "init_from": str | dict | None,
    "teacher": str | dict | None,
    "total_batch": int | None,
    "auto_scale_lr": bool | dict | None,
    "paper": dict | None,
    "model_wrapper_cfg": dict | None,
    "sync_bn": Literal["torch", "mmcv"] | None,
    "compile": bool | dict,
    "activation_checkpointing": list[str] | None,
    "visualizer": dict | None,
    "log_level": int | Literal["NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    "default_scope": Literal["densevision", "mmengine"] | None,
    "val_evaluator": dict | list[dict] | None,
    "test_evaluator": dict | list[dict] | None,
}
TOP_LEVEL = (set(inspect.signature(Runner.__init__).parameters) | set(OURS)) - {"self", "cfg"}
_CLIPS: dict[str, Callable] = {"norm": clip_grad_norm_, "value": clip_grad_value_}
# Dicts without a type: what reads them.
_READERS: dict[str, Callable] = {
    **dict.fromkeys(LOADERS, DataLoader),
    "init_from": InitFrom,
    "teacher": TeacherOptions,
    "randomness": set_random_seed,
    "log_processor": LogProcessor,
    "optim_wrapper.clip_grad": clip_grad_norm_,
    "compile": torch.compile,
}
PLAIN: dict[str, dict[str, object]] = {
    "env_cfg": {"cudnn_benchmark": bool, "mp_cfg": dict | None, "dist_cfg": dict | None, "resource_limit": int},
    "env_cfg.mp_cfg": {"mp_start_method": Literal["fork", "spawn", "forkserver"], "opencv_num_threads": int},
    "env_cfg.dist_cfg": {
        "backend": Literal["nccl", "gloo", "mpi", "ucc"],
        "init_backend": Literal["torch", "deepspeed", "colossalai"],
        "timeout": float | None,
        "port": int | str | None,
    },
    "auto_scale_lr": {"base_batch_size": int, "enable": bool},
}
_ADDED = {
    **dict.fromkeys(LOADERS, {"num_batch_per_epoch"}),
    "optim_wrapper": {"constructor", "paramwise_cfg"},
    "compile": {"target"},
}
# Not given by the config: by place, and by registry.
_GIVEN = {"optim_wrapper.clip_grad": {"parameters"}, "compile": {"model"}} | dict.fromkeys(LOADERS, {"generator"})
_GIVEN_TO_PARTS = {
    registry.LOOPS: {"runner", "dataloader", "evaluator"},
    registry.DATA_SAMPLERS: {"dataset"},
    registry.OPTIMIZERS: {"params"},
    registry.PARAM_SCHEDULERS: {"optimizer"},
    registry.HOOKS: {"model", "device"},  # of the averaged model
}
_GIVEN_BY_MODEL = {"taps", "in_channels", "num_anchors", "num_classes"}  # to its parts


def near(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean a?" if known names are close to ``name``, else an empty string."""
    nearest = did_you_mean(str(name), known)
    return f"; {nearest}" if nearest else ""


def accepted_keys(place: str, mapping: Mapping) -> set[str]:
    """Return the keys that a config dict at ``place`` may have; "*" stands for any key."""
    if place == "":
        return TOP_LEVEL
    if place in PLAIN:
        return set(PLAIN[place])
    reader = reader_of(place, mapping)
    if reader is None:
        return {"*"} if "type" in mapping else set()
    parameters = _parameters(place, mapping, reader)
    hook = {"priority"} if "hooks" in place else set()
    known = {*parameters, *_ADDED.get(place, ()), *hook} - given(place)
    if place.startswith("param_scheduler"):
        known |= {"convert_to_iter_based"}  # refused with its remedy
        known |= {"step_epochs"} if "step_size" in parameters else set()
    if takes_any(parameters):
        return known | {"*"}
    return known | ({"type"} if place not in LOADERS and place not in ("init_from", "teacher", "randomness") else set())


def given(place: str) -> set[str]:
    """Return the arguments that the part of a place gets from elsewhere."""
    where = place_of(place)
    given = _GIVEN.get(place, set()) | (_GIVEN_TO_PARTS.get(where.registry, set()) if where else set())
    return given | (_GIVEN_BY_MODEL if place.startswith("model.") else set())


def _parameters(place: str, mapping: Mapping, reader: Callable) -> dict[str, inspect.Parameter]:
    """Return the parameters of what reads a dict, also those of the class that it passes the others on to."""
    parameters = parameters_of(reader)
    inner = passed_on(place, mapping, reader)
    if inner is None:
        return parameters
    named = {name: one for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD}
    return parameters_of(inner) | named


def passed_on(place: str, mapping: Mapping, reader: Callable) -> Callable | None:
    """Return the class that gets the arguments that the reader does not take: of mmengine's EMAHook."""
    if not (isinstance(reader, type) and issubclass(reader, EMAHook)):
        return None
    try:
        found = resolve_type(mapping.get("ema_type", "ExponentialMovingAverage"), registry.MODELS)
    except UserError:  # reported by ``check_types``
        return None
    return found if has_method(found, "update_parameters") else None


def reader_of(place: str, mapping: Mapping) -> Callable[..., Any] | None:
    """Return the class or function that takes a dict's items as arguments; None if it is unknown here."""
    if place == "optim_wrapper.clip_grad":
        kind = mapping.get("type", "norm")
        return _CLIPS.get(kind) if isinstance(kind, str) else None
    if place in _READERS:
        return _READERS[place]
    kind = mapping.get("type")
    where = place_of(place)
    if isinstance(kind, str):
        try:
            kind = resolve_type(kind, where.registry if where else None)
        except UserError:  # reported by ``check_types``
            return None
    return kind if callable(kind) else None


def has_method(kind: object, method: str) -> bool:
    return not isinstance(kind, type) or any(method in vars(one) for one in kind.__mro__)


def mappings(value: object, place: str = "") -> Iterator[tuple[str, Mapping]]:
    """Yield every dict below ``value`` with its dotted place."""
    if isinstance(value, Mapping):
        if place:
            yield place, value
        for key, item in value.items():
            yield from mappings(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from mappings(item, f"{place}.{position}")
