"""Find the class that a config's ``type`` names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

import densevision.registry
from densevision.errors import UserError, did_you_mean


def resolve_type(value: object, registry: Registry | None = None) -> type:
    """Return the class, or the function that builds a part, that a config's ``type`` stands for.

    Text is looked up among what is registered. No module is imported except those that the registries themselves list,
    so that a config from a file of unknown origin runs no code.

    Args:
        value: a class, which is returned as it is; or text: the registered name ("SSDLite"), with its scope
            ("densevision.SSDLite"), or with the class's module or a package of that module
            ("densevision.detection.model.SSDLite", "mmengine.optim.LinearLR").
        registry: where to look, and in its parents; None looks in all of the package's registries.
    Raises:
        UserError: the text names nothing that is registered, or the value is neither class nor text.
    """
    if isinstance(value, type):
        return value
    if not isinstance(value, str):
        raise UserError(f"config, type is {value!r}; it must be a class or the name of one")
    known: list[str] = []
    for level in _levels(registry):
        level.import_from_location()
        for name, member in level.module_dict.items():
            if _is_named(value, name, member, level):
                return member
        known += level.module_dict
    near = did_you_mean(value.rpartition(".")[2], known) or "register the class and import its module first"
    raise UserError(f"config, type {value!r} is not a registered {registry.name if registry else 'class'}; {near}")


def _levels(registry: Registry | None) -> Iterator[Registry]:
    members = vars(densevision.registry).values() if registry is None else [registry]
    for found in itertools.chain(*(member if isinstance(member, list) else [member] for member in members)):
        while isinstance(found, Registry):
            yield found
            found = found.parent


def _is_named(text: str, name: str, member: Any, registry: Registry) -> bool:
    if text in (name, f"{registry.scope}.{name}", dotted_name(member)):
        return True
    package, _, last = text.rpartition(".")
    return last == name and f"{member.__module__}.".startswith(f"{package}.")


def dotted_name(member: Any) -> str:
    """Return module and name of a class or function, as configs are written with."""
    return f"{member.__module__}.{member.__qualname__}"


def import_types(value: object) -> None:
    """Replace dotted names in ``type`` by what they name, as the registries would; only for a config that may run code.

    Names that can't be imported stay: the registry that builds them reports them.

    Raises:
        UserError: a name is that of something else that can be called, such as a built-in function.
    """
    if isinstance(value, dict):
        named = value.get("type")
        if isinstance(named, str) and "." in named:
            found = _imported(named)
            if callable(found) and not isinstance(found, type | FunctionType):
                raise UserError(f"config, type {named!r} is not a class or a function that builds one; name such a one")
            if callable(found):
                value["type"] = found
        for item in value.values():
            import_types(item)
    elif isinstance(value, list | tuple):
        for item in value:
            import_types(item)


def _imported(name: str) -> object:
    try:
        return get_object_from_string(name)
    except Exception:  # the module is a program: anything may go wrong in it
        return None
