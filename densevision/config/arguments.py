"""Which keys every dict of a config may have, and of what type their values are: by the signature of what reads it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from mmengine.runner import Runner

from densevision import registry
from densevision.config.derive import LOADERS
from densevision.config.hints import fits, hint_text, hints_of, parameters_of, takes_any
from densevision.config.places import place_of
from densevision.config.readers import OURS, PLAIN, accepted_keys, given, mappings, near, passed_on, reader_of
from densevision.config.types import TYPE_KEYS
from densevision.errors import UserError, shown

_MAY_BE_NONE = {"env_cfg", "randomness", "launcher", "work_dir", "log_processor", "log_level"}
# Numbers whose range ``densevision.training`` checks too, with one message for type and range.
_COUNTS = {
    *("max_iters", "val_interval", "patience", "batch_size", "num_workers", "prefetch_factor", "accumulative_counts"),
    *("interval", "keep", "begin", "end", "T_max", "num_classes", "begin_iter"),
}
_MAY_BE_INFINITE = {"norm_type"}
_FILLED_IN = {"num_classes": None, "num_workers": "auto"}  # values that the data or the machine replace
_COMPLETE = (registry.MODELS, registry.DATASETS, registry.METRICS, registry.TRANSFORMS)  # get the config's arguments
_DERIVED = {"input_size"}  # arguments that ``config.derive`` fills in, if the config has a model
_FUNCTIONS = {"collate_fn", "worker_init_fn"}  # of loaders


def check_structure(content: Mapping) -> None:
    """Check that loaders, data sets and the like are dicts, before anything is looked up in them.

    Raises:
        UserError: names the dotted key.
    """
    for key in ("model", "default_hooks", "optim_wrapper", "train_cfg", "val_cfg", "test_cfg", *LOADERS):
        value = content.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise UserError(f"config, {key} is {shown(value)}; it must be a dict")
        if key in LOADERS and value is not None:
            _check_loader(key, value)
    for name, hook in (content.get("default_hooks") or {}).items():
        if not isinstance(name, str):
            raise UserError(f"config, default_hooks has the key {name!r}; it must be a name")
        if not isinstance(hook, Mapping | None):
            raise UserError(f"config, default_hooks.{name} is {shown(hook)}; it must be a dict with a type, or None")


def _check_loader(key: str, loader: Mapping) -> None:
    if not isinstance(loader.get("dataset", {}), Mapping | None):
        raise UserError(f"config, {key}.dataset is {shown(loader['dataset'])}; it must be a dict")
    for name in ("sampler", "batch_sampler"):
        if not isinstance(loader.get(name, {}), Mapping | None):
            raise UserError(f"config, {key}.{name} is {shown(loader[name])}; it must be a dict")
    for name in _FUNCTIONS & loader.keys():
        if not isinstance(loader[name], Mapping):
            raise UserError(f"config, {key}.{name} is {shown(loader[name])}; write dict(type=...) with a function")


def check_arguments(content: Mapping) -> None:
    """Check the keys of every dict of a config, and the types of their values.

    Raises:
        UserError: names the dotted key, and the nearest valid name or the type.
    """
    for key, hint in _top_hints().items():
        if key in content and not (content[key] is None and key in _MAY_BE_NONE) and not fits(content[key], hint):
            raise UserError(f"config, {key} is {shown(content[key])}; it must be {hint_text(hint)}")
    for place, mapping in mappings(content):
        _check_form(place, mapping)
        _check_keys(place, mapping)
        _check_required(place, mapping)
        _check_values(place, mapping)
        _check_inner(place, mapping)
    for place, value in _numbers(content):
        if not math.isfinite(value) and place.rpartition(".")[2] not in _MAY_BE_INFINITE:
            raise UserError(f"config, {place} is {value}; it must be a finite number")


def _check_inner(place: str, mapping: Mapping) -> None:
    """Check the dicts in a part that its class passes on to what its ``reads`` names."""
    kind = reader_of(place, mapping)
    for name, reader in getattr(kind, "reads", {}).items() if isinstance(kind, type) else ():
        inner = mapping.get(name)
        if isinstance(inner, Mapping):
            _refuse_unknown(f"{place}.{name}", inner, parameters_of(reader))
            _check_against(f"{place}.{name}", inner, reader)
            if hasattr(reader, "check_values"):
                reader.check_values(f"config, {place}.{name}", inner)


def _top_hints() -> dict[str, object]:
    hints = hints_of(Runner)
    plain = ("load_from", "env_cfg", "randomness", "experiment_name", "log_processor")
    return {key: hints[key] for key in plain if key in hints} | OURS


def _check_form(place: str, mapping: Mapping) -> None:
    """Check that the type of a part is a class, a function or a name, and that its arguments have names."""
    if "type" not in mapping:
        return
    if not isinstance(mapping["type"], str) and not callable(mapping["type"]):
        raise UserError(f"config, {place}.type is {shown(mapping['type'])}; it must be a class or the name of one")
    unnamed = [name for name in mapping if not isinstance(name, str)]
    if unnamed:
        raise UserError(f"config, {place} has the key {unnamed[0]!r}; it must be the name of an argument")


def _check_keys(place: str, mapping: Mapping) -> None:
    if reader_of(place, mapping) is None and place not in PLAIN:
        return
    known = accepted_keys(place, mapping)
    if "*" in known:
        known = {*known, *mapping} - given(place)
    for name in mapping:
        if name not in known:
            kind = mapping.get("type")
            owner = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
            owner = owner or ("the loader" if place in LOADERS else "this dict")
            raise UserError(f"config, {place}: {owner} has no argument {name!r}{near(name, known)}")


def _check_required(place: str, mapping: Mapping) -> None:
    """Check that a part has all arguments that its class needs and nothing else gives it."""
    reader, where = reader_of(place, mapping), place_of(place)
    if where is None or where.registry not in _COMPLETE or "type" not in mapping or not isinstance(reader, type):
        return
    there = mapping.keys() | given(place) | _DERIVED
    for name, parameter in parameters_of(reader).items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.default is parameter.empty and name not in there:
            raise UserError(f"config, {place}.{name} is missing: {reader.__name__} needs it")


def _refuse_unknown(place: str, mapping: Mapping, parameters: Mapping[str, inspect.Parameter]) -> None:
    for name in mapping:
        if name not in parameters and not (takes_any(parameters) and isinstance(name, str)):
            raise UserError(f"config, {place}: there is no argument {name!r}{near(name, parameters)}")


def _check_values(place: str, mapping: Mapping) -> None:
    reader = reader_of(place, mapping)
    if reader is not None:
        _check_against(place, mapping, reader)
        if inner := passed_on(place, mapping, reader):
            own = parameters_of(reader)
            _check_against(place, {name: value for name, value in mapping.items() if name not in own}, inner)
    elif place in PLAIN:
        _check_hints(place, mapping, PLAIN[place], {}, None)


def _check_against(place: str, mapping: Mapping, reader: Callable) -> None:
    _check_hints(place, mapping, hints_of(reader), parameters_of(reader), reader)


def _check_hints(
    place: str,
    mapping: Mapping,
    hints: Mapping[str, object],
    parameters: Mapping[str, inspect.Parameter],
    reader: Callable | None,
) -> None:
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
        raise UserError(f"config, {place}.{name} is {shown(value)}; it must be {hint_text(hint)}")


def _may_be(value: object, parameter: inspect.Parameter | None, hint: object, reader: Callable | None) -> bool:
    if fits(value, hint) or isinstance(value, Mapping) and "type" in value:
        return True
    if parameter is not None and value is parameter.default:
        return True
    foreign = reader is not None and not reader.__module__.startswith("densevision")
    return foreign and hint is int and fits(value, float)  # other packages are less strict than their annotations


def _numbers(value: object, place: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number with a point below ``value`` with its dotted place."""
    if isinstance(value, float):
        yield place, value
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, list | tuple):
        pairs = enumerate(value)
    for key, item in pairs:
        yield from _numbers(item, f"{place}.{key}" if place else str(key))
