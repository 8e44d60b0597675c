"""Which keys every dict of a config may have, and of what type their values are: by the signature of what reads it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from mmengine.registry import Registry
from mmengine.runner import LogProcessor, Runner, set_random_seed
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from densevision import registry
from densevision.config.derive import LOADERS
from densevision.config.hints import fits, hint_text, hints_of, parameters_of, takes_any
from densevision.config.init_from import InitFrom
from densevision.config.places import Place, place_of
from densevision.config.teacher import TeacherOptions
from densevision.config.types import TYPE_KEYS, resolve_type
from densevision.errors import UserError, did_you_mean

_OURS: dict[str, object] = {
    "init_from": str | dict | None,
    "teacher": str | dict | None,
    "total_batch": int | None,
    "paper": dict | None,
    "model_wrapper_cfg": dict | None,
    "sync_bn": str | None,
    "compile": bool | dict,
    "activation_checkpointing": list[str] | None,
    "visualizer": dict | None,
    "log_level": int | Literal["NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    "default_scope": Literal["densevision", "mmengine"] | None,
    "val_evaluator": dict | list[dict] | None,
    "test_evaluator": dict | list[dict] | None,
}
TOP_LEVEL = (set(inspect.signature(Runner.__init__).parameters) | set(_OURS)) - {"self", "cfg"}
_MAY_BE_NONE = {"env_cfg", "randomness", "launcher", "work_dir", "log_processor", "log_level"}
_CLIPS: dict[str, Callable] = {"norm": clip_grad_norm_, "value": clip_grad_value_}
# Dicts without a type: what reads them.
_READERS: dict[str, Callable] = {
    **dict.fromkeys(LOADERS, DataLoader),
    "init_from": InitFrom,
    "teacher": TeacherOptions,
    "randomness": set_random_seed,
    "log_processor": LogProcessor,
    "optim_wrapper.clip_grad": clip_grad_norm_,
}
_PLAIN: dict[str, dict[str, object]] = {
    "env_cfg": {"cudnn_benchmark": bool, "mp_cfg": dict | None, "dist_cfg": dict | None, "resource_limit": int},
    "env_cfg.mp_cfg": {"mp_start_method": Literal["fork", "spawn", "forkserver"], "opencv_num_threads": int},
    "auto_scale_lr": {"base_batch_size": int, "enable": bool},
}
_ADDED = {**dict.fromkeys(LOADERS, {"num_batch_per_epoch"}), "optim_wrapper": {"constructor", "paramwise_cfg"}}
# Numbers whose range ``densevision.training`` checks too, with one message for type and range.
_COUNTS = {
    *("max_iters", "val_interval", "patience", "batch_size", "num_workers", "prefetch_factor", "accumulative_counts"),
    *("interval", "keep", "begin", "end", "T_max", "num_classes", "begin_iter"),
}
_FILLED_IN = {"num_classes": None, "num_workers": "auto"}  # values that the data or the machine replace
_GIVEN = {"optim_wrapper.clip_grad": "parameters"}  # not by the config
_FUNCTIONS = {"collate_fn", "worker_init_fn"}  # of loaders
_OTHER_TYPES = {"constructor": registry.OPTIM_WRAPPER_CONSTRUCTORS, "ema_type": registry.MODELS}


def near(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean a?" if known names are close to ``name``, else an empty string."""
    nearest = did_you_mean(str(name), known)
    return f"; {nearest}" if nearest else ""


def accepted_keys(place: str, mapping: Mapping) -> set[str]:
    """Return the keys that a config dict at ``place`` may have; "*" stands for any key."""
    if place == "":
        return TOP_LEVEL
    if place in _PLAIN:
        return set(_PLAIN[place])
    reader = _reader(place, mapping)
    if reader is None:
        return {"*"} if "type" in mapping else set()
    parameters = parameters_of(reader)
    hook = {"priority"} if "hooks" in place else set()
    known = {*parameters, *_ADDED.get(place, ()), *hook} - {_GIVEN.get(place)}
    if place.startswith("param_scheduler"):
        known |= {"convert_to_iter_based"}  # refused with its remedy
        known |= {"step_epochs"} if "step_size" in parameters else set()
    if takes_any(parameters):
        return known | {"*"}
    return known | ({"type"} if place not in LOADERS and place not in ("init_from", "teacher", "randomness") else set())


def _reader(place: str, mapping: Mapping) -> Callable[..., Any] | None:
    """Return the class or function that takes a dict's items as arguments; None if it is unknown here."""
    if place == "optim_wrapper.clip_grad":
        return _CLIPS.get(mapping.get("type", "norm"))
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


def check_structure(content: Mapping) -> None:
    """Check that loaders, data sets and the like are dicts, before anything is looked up in them.

    Raises:
        UserError: names the dotted key.
    """
    for key in ("model", "default_hooks", "optim_wrapper", "train_cfg", "val_cfg", "test_cfg", *LOADERS):
        value = content.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise UserError(f"config, {key} is {_short(value)}; it must be a dict")
        if key in LOADERS and value is not None:
            _check_loader(key, value)
    for name, hook in (content.get("default_hooks") or {}).items():
        if not isinstance(hook, Mapping | None):
            raise UserError(f"config, default_hooks.{name} is {_short(hook)}; it must be a dict with a type, or None")


def _check_loader(key: str, loader: Mapping) -> None:
    if not isinstance(loader.get("dataset", {}), Mapping | None):
        raise UserError(f"config, {key}.dataset is {_short(loader['dataset'])}; it must be a dict")
    for name in _FUNCTIONS & loader.keys():
        if not isinstance(loader[name], Mapping):
            raise UserError(f"config, {key}.{name} is {_short(loader[name])}; write dict(type=...) with a function")


def check_arguments(content: Mapping) -> None:
    """Check the keys of every dict of a config, and the types of their values.

    Raises:
        UserError: names the dotted key, and the nearest valid name or the type.
    """
    for key, hint in _top_hints().items():
        if key in content and not (content[key] is None and key in _MAY_BE_NONE) and not fits(content[key], hint):
            raise UserError(f"config, {key} is {_short(content[key])}; it must be {hint_text(hint)}")
    for place, mapping in mappings(content):
        _check_keys(place, mapping)
        _check_values(place, mapping)


def _top_hints() -> dict[str, object]:
    hints = hints_of(Runner)
    plain = ("load_from", "env_cfg", "randomness", "experiment_name", "auto_scale_lr", "log_processor")
    return {key: hints[key] for key in plain if key in hints} | _OURS


def _check_keys(place: str, mapping: Mapping) -> None:
    if _reader(place, mapping) is None and place not in _PLAIN:
        return
    known = accepted_keys(place, mapping)
    for name in mapping:
        if name not in known and "*" not in known:
            kind = mapping.get("type")
            owner = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
            owner = owner or ("the loader" if place in LOADERS else "this dict")
            raise UserError(f"config, {place}: {owner} has no argument {name!r}{near(name, known)}")


def _check_values(place: str, mapping: Mapping) -> None:
    reader = _reader(place, mapping)
    hints = _PLAIN.get(place) or (hints_of(reader) if reader else {})
    parameters = parameters_of(reader) if reader else {}
    for name, value in mapping.items():
        hint = hints.get(name)
        if (
            hint is None
            or name in TYPE_KEYS
            or name in _COUNTS
            or value == _FILLED_IN.get(name, ...)
            or _may_be(value, parameters.get(name), hint, reader)
        ):
            continue
        raise UserError(f"config, {place}.{name} is {_short(value)}; it must be {hint_text(hint)}")


def _may_be(value: object, parameter: inspect.Parameter | None, hint: object, reader: Callable | None) -> bool:
    if fits(value, hint) or isinstance(value, Mapping) and "type" in value:
        return True
    if parameter is not None and value is parameter.default:
        return True
    foreign = reader is not None and not reader.__module__.startswith("densevision")
    return foreign and hint is int and fits(value, float)  # other packages are less strict than their annotations


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_types(content: Mapping) -> None:
    """Check that every part has a ``type`` that its place may have.

    Raises:
        UserError: names the dotted key, and the nearest valid name.
    """
    for place, mapping in mappings(content):
        for key in _OTHER_TYPES.keys() & mapping.keys():
            _check_name(f"{place}.{key}", mapping[key], _OTHER_TYPES[key])
        where = place_of(place)
        if where is None or _is_optional(place, mapping):
            continue
        if "type" not in mapping:
            raise UserError(f"config, {place} has no type; it must name a {where.noun}")
        check_type(f"{place}.type", mapping["type"], where)


def _is_optional(place: str, mapping: Mapping) -> bool:
    """Whether a dict needs no type: mmengine has a default, or it only holds metrics."""
    if place.endswith("_evaluator"):
        return "metrics" in mapping and "type" not in mapping
    return "type" not in mapping and (place in ("optim_wrapper", "log_processor") or place.endswith("_cfg"))


def check_type(key: str, kind: object, where: Place) -> None:
    """Check a ``type``.

    Raises:
        UserError: see ``check_types``.
    """
    found = _check_name(key, kind, where.registry)
    if not where.accepts(found):
        raise UserError(f"config, {key} is {getattr(found, '__name__', found)}, which is no {where.noun}; name one")


def _check_name(key: str, kind: object, where: Registry) -> object:
    """Return the class or function that a name or a class stands for."""
    if callable(kind):
        return kind
    try:
        return resolve_type(kind, where)
    except UserError as error:
        text = str(error).removeprefix("config, type ")
        raise UserError(f"config, {key}{' ' if text.startswith('is') else ': '}{text}") from error


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
