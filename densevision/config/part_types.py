"""Which classes the ``type`` of each part of a config may name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from mmengine.registry import Registry

from densevision import registry
from densevision.config.places import Place, place_of
from densevision.config.readers import has_method, mappings
from densevision.config.types import resolve_type
from densevision.errors import UserError

_OTHER_TYPES = {"constructor": registry.OPTIM_WRAPPER_CONSTRUCTORS, "ema_type": registry.MODELS}
_METHODS = {"constructor": "__call__", "ema_type": "update_parameters"}


def check_types(content: Mapping) -> None:
    """Check that every part has a ``type`` that its place may have.

    Raises:
        UserError: names the dotted key, and the nearest valid name.
    """
    for place, mapping in mappings(content):
        for key in _OTHER_TYPES.keys() & mapping.keys():
            found = _check_name(f"{place}.{key}", mapping[key], _OTHER_TYPES[key])
            if not has_method(found, _METHODS[key]):
                name = getattr(found, "__name__", found)
                raise UserError(f"config, {place}.{key} is {name}, which has no {_METHODS[key]}; name another class")
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


def use_classes(content: Mapping) -> None:
    """Replace the names of our own parts by their classes: mmengine looks for a name in its registries only."""
    for place, mapping in mappings(content):
        where, kind = place_of(place), mapping.get("type")
        if where is not None and isinstance(kind, str) and isinstance(mapping, dict):
            with suppress(UserError):  # reported by ``check_types``
                found = resolve_type(kind, where.registry)
                if found.__module__.startswith("densevision."):
                    mapping["type"] = found


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
