"""Find the class that a config's ``type`` names."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

import densevision.registry
from densevision.config.places import is_part
from densevision.errors import UserError, did_you_mean

TYPE_KEYS = ("type", "constructor", "ema_type")  # whose text mmengine looks up, or else imports


def resolve_type(value: object, registry: Registry | None = None) -> Any:
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
    if isinstance(value, type | FunctionType):
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


def resolve_texts(value: object, place: str = "", *, may_import: bool = False, short: bool = False) -> None:
    """Replace dotted names in a ``type`` by the classes that they name, and refuse what is no part of a config.

    Such a name is a registered one, or names a class of a kind that configs have parts of (``places.is_part``). Other
    names stay: the registry that builds them looks them up.

    Args:
        place: dotted key of ``value``.
        may_import: for the text of a Python config, which is code: import the module that a name states. Otherwise the
            module must be loaded already: an option and a stored config are data.
        short: also refuse names without a module that are not registered.
    Raises:
        UserError: a name is that of something else, or a part of another package's registry is asked for.
    """
    if isinstance(value, dict):
        if "_scope_" in value:
            raise UserError(f"config, {place}: _scope_ is not supported; name the class by its module")
        for key, item in value.items():
            where = f"{place}.{key}" if place else str(key)
            if key in TYPE_KEYS and isinstance(item, str) and (short or "." in item):
                found = _resolve_text(item, where, may_import=may_import)
                value[key] = found if "." in item else item  # the registry that builds it looks it up itself
            else:
                resolve_texts(item, where, may_import=may_import, short=short)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            resolve_texts(item, f"{place}.{position}", may_import=may_import, short=short)


def _resolve_text(name: str, place: str, *, may_import: bool) -> object:
    try:
        return resolve_type(name)
    except UserError:
        found = _imported(name) if may_import else _loaded(name)
    if is_part(found):
        return found
    if found is None and may_import:
        return name  # the registry that builds it reports it
    near = did_you_mean(name.rpartition(".")[2], [one for level in _levels(None) for one in level.module_dict])
    raise UserError(
        f"config, {place}: {name!r} is not a registered class; "
        f"import the module that registers it first, or give the config's file{near and f'; {near}'}"
    )


def _loaded(name: str) -> object:
    module, _, member = name.rpartition(".")
    return getattr(sys.modules.get(module), member, None)


def _imported(name: str) -> object:
    try:
        return get_object_from_string(name)
    except Exception:  # the module is a program: anything may go wrong in it
        return None
