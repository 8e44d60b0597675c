"""Compare the values of a config with the annotations of what takes them."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from torch import Tensor

_LISTS = (list, tuple, Sequence, Iterable, collections.abc.Collection)
_FOLLOWED = ("mmengine.", "torch.")  # their classes pass **kwargs on to the class above
_NAMES = {**vars(collections.abc), **vars(typing)}  # what annotations use that are imported for type checkers only


def parameters_of(kind: Callable) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function, or of a class without ``self``; also those of ``**kwargs`` if known."""
    return dict((_parameters if isinstance(kind, Hashable) else _parameters.__wrapped__)(kind))


@functools.lru_cache(1024)  # a config asks for the same classes many times
def _parameters(kind: Callable) -> dict[str, inspect.Parameter]:
    try:
        found = dict(inspect.signature(kind).parameters)
    except (TypeError, ValueError):  # of C code
        return {"any": inspect.Parameter("any", inspect.Parameter.VAR_KEYWORD)}
    for above in _above(kind):
        keywords = [name for name, one in found.items() if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
        if not keywords or above is object:
            break
        for name in keywords:
            del found[name]
        found |= dict(list(inspect.signature(vars(above)["__init__"]).parameters.items())[1:])
    return found


def _above(kind: Callable) -> list[type]:
    if not isinstance(kind, type) or not kind.__module__.startswith(_FOLLOWED):
        return []
    return [one for one in kind.__mro__[1:] if "__init__" in vars(one)]


def takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether there are ``**kwargs``."""
    return any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def hints_of(kind: Callable) -> dict[str, object]:
    """Return the annotations of a function's or a class's parameters; none that can't be read."""
    return dict((_hints if isinstance(kind, Hashable) else _hints.__wrapped__)(kind))


@functools.lru_cache(1024)
def _hints(kind: Callable) -> dict[str, object]:
    functions = [kind]
    if isinstance(kind, type):
        functions = [vars(one)["__init__"] for one in [kind, *_above(kind)] if "__init__" in vars(one)]
    found: dict[str, object] = {}
    for function in functions:
        try:
            found = typing.get_type_hints(function, localns=_NAMES) | found
        except Exception:  # an annotation is any expression
            continue
    return _hints_by_default(kind) | found


def _hints_by_default(kind: Callable) -> dict[str, object]:
    """Return the types of the defaults of parameters without an annotation, where a default tells it."""
    plain = {bool: bool, str: str | None}
    return {name: plain[type(one.default)] for name, one in parameters_of(kind).items() if type(one.default) in plain}


def fits(value: object, hint: object) -> bool:
    """Whether a value is of the type that an annotation states; True for annotations that say nothing about it."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin in (None, type(None)):
        return value is None
    if origin in _LISTS:
        return isinstance(value, list | tuple) and _items_fit(value, origin, arguments)
    if origin in (dict, Mapping, collections.abc.MutableMapping):
        return isinstance(value, Mapping) and (
            len(arguments) != 2 or all(fits(k, arguments[0]) and fits(v, arguments[1]) for k, v in value.items())
        )
    return _is_simple(value, origin)


def _items_fit(value: Sequence, origin: object, arguments: tuple) -> bool:
    if not arguments:
        return True
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    return all(fits(item, arguments[0]) for item in value)


def _is_simple(value: object, hint: object) -> bool:
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint in (float, Real):
        return isinstance(value, Real) and not isinstance(value, bool)
    if hint in (str, Path):
        return isinstance(value, str | Path)
    if hint in (Callable, typing.Callable):
        return callable(value)
    return isinstance(value, Tensor) if hint is Tensor else True


def hint_text(hint: object) -> str:
    """Format an annotation for a message."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(map(hint_text, arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if hint in (None, type(None)):
        return "None"
    words: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        bool: "True or False",
        str: "text",
        dict: "a dict",
    }
    if hint in words:
        return words[hint]
    kind: Any = origin or hint
    if kind in _LISTS:
        inner = [one for one in arguments if one is not Ellipsis]
        return f"a list of {', '.join(map(hint_text, inner))}" if inner else "a list"
    return "a dict" if kind in (Mapping, dict) else getattr(kind, "__name__", str(kind))
