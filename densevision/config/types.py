"""Find the class that a config's ``type`` names."""

from __future__ import annotations

from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

from densevision.errors import UserError, did_you_mean


def resolve_type(value: object, registry: Registry) -> type:
    """Return the class that a config's ``type`` stands for.

    A text is looked up in the registry and its parents, and nothing is imported but the modules that the registry
    itself lists, so that a config from a file of unknown origin runs no code.

    Args:
        value: a class, which is returned as it is; or a text: the registered name ("SSDLite"), with its scope
            ("densevision.SSDLite"), or with the class's module or a package of that module
            ("densevision.detection.model.SSDLite", "mmengine.optim.LinearLR").
    Raises:
        UserError: the text names no registered class, or the value is neither class nor text.
    """
    if isinstance(value, type):
        return value
    if not isinstance(value, str):
        raise UserError(f"config, type is {value!r}; it must be a class or the name of one")
    package, _, name = value.rpartition(".")
    known: list[str] = []
    level: Registry | None = registry
    while level is not None:
        level.import_from_location()
        found = level.module_dict.get(name)
        if isinstance(found, type) and _is_inside(found, package, level):
            return found
        known += level.module_dict
        level = level.parent
    near = did_you_mean(name, known) or "register the class and import its module first"
    raise UserError(f"config, type {value!r} is no registered {registry.name}; {near}")


def _is_inside(found: type, package: str, registry: Registry) -> bool:
    return package in ("", registry.scope) or f"{found.__module__}.".startswith(f"{package}.")


def import_types(value: object) -> None:
    """Replace dotted names in ``type`` by what they name, as the registries would; only for a config that may run code.

    Names that can't be imported stay: the registry that builds them reports them.
    """
    if isinstance(value, dict):
        named = value.get("type")
        if isinstance(named, str) and "." in named:
            found = _imported(named)
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
