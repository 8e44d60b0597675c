"""Write the page of every config key, from the signatures and docstrings of what a config can name."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator

import griffe
from docstrings import separate
from other_keys import DETAILS, FILLED_IN, LOADER_KEYS, MEANINGS, OTHER_TABLES, SECTIONS, TOP_LEVEL

Row = tuple[str, str, str, str]  # key, type, default, meaning
_HEAD = "| key | type | default | meaning |\n| --- | --- | --- | --- |"


def config_keys_page() -> str:
    """Return the Markdown text of the page."""
    blocks = [_INTRODUCTION, "## Top level", _top_level()]
    for place, text, names in SECTIONS:
        blocks += [f"## {place}", text]
        blocks += [block for name in names for block in _class_blocks(name)]
        if place == "Loaders":
            blocks.append(_two_columns(LOADER_KEYS))
        for title, keys in OTHER_TABLES.get(place, {}).items():
            blocks += [f"### {title}", _two_columns(keys)]
    return "\n\n".join(blocks) + "\n"


_INTRODUCTION = """# Config keys

A config is a Python file that sets the keys of this page. Every key can also be changed for one run:
`--cfg-options model.backbone.width=0.5 train_cfg.max_iters=2000`. A key that nothing reads is refused, with the nearest
name. A dict with a `type` is built by calling that class with the other keys of the dict.

This page is generated from the code when the site is built. It lists the classes of densevision and those of MMEngine
and PyTorch that the shipped configs use. A config can name any other class of MMEngine, PyTorch or albumentations."""


def _top_level() -> str:
    lines = ["| key | meaning | read by |", "| --- | --- | --- |"]
    for key, (meaning, reader) in TOP_LEVEL.items():
        lines.append(f"| `{key}` | {meaning} | [`{reader.rpartition('.')[2]}`][{reader}] |")
    return "\n".join(lines)


def _two_columns(keys: dict[str, str]) -> str:
    return "\n".join(["| key | meaning |", "| --- | --- |", *(f"| `{key}` | {text} |" for key, text in keys.items())])


def _class_blocks(name: str) -> Iterator[str]:
    found = resolve(name)
    yield f"### {name.rpartition('.')[2]}"
    yield f"[`{name}`][{name}]: {summary(found)}"
    table = [f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in rows(found)]
    yield "\n".join([_HEAD, *table]) if table else "No keys of its own."


def resolve(name: str) -> Callable:
    """Return the class or function of a dotted name."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def summary(found: Callable) -> str:
    """Return the first paragraph of a docstring as one line."""
    return _plain((inspect.getdoc(found) or "").partition("\n\n")[0])


def rows(found: Callable) -> list[Row]:
    """Return the keys that a config can set for a class or a function."""
    meanings, short = described(found), found.__name__
    if short in DETAILS:
        details = described(resolve(DETAILS[short]))
        pointer = f"see `{DETAILS[short].rpartition('.')[2]}`"
        meanings |= {key: details[key] for key, text in meanings.items() if pointer in text}
    return [
        (key, _type(parameter), _default(parameter), meanings[key] if key in meanings else MEANINGS[key])
        for key, parameter in inspect.signature(found).parameters.items()
        if key not in FILLED_IN.get(short, FILLED_IN["*"]) and parameter.kind is not parameter.VAR_KEYWORD
    ]


def described(found: Callable) -> dict[str, str]:
    """Map parameter -> description, from the Args and Attributes of a docstring and of those it inherits from."""
    meanings: dict[str, str] = {}
    for owner in inspect.getmro(found) if inspect.isclass(found) else (found,):
        if owner.__module__.startswith("densevision."):
            for names, meaning in _arguments(owner.__doc__ or ""):
                meanings = dict.fromkeys(names, meaning) | meanings
    return meanings


def _arguments(text: str) -> Iterator[tuple[list[str], str]]:
    sections = griffe.Docstring(separate(inspect.cleandoc(text)), lineno=1).parse("google", warnings=False)
    for section in sections:
        if section.kind.value in ("parameters", "attributes"):
            for item in section.value:
                yield item.name.split(", "), _plain(item.description)


def _plain(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
    return text if text.startswith("mmengine") else text[:1].upper() + text[1:]


def _type(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    if kind is parameter.empty:
        return ""
    written = kind.__name__ if isinstance(kind, type) else str(kind)
    return "`" + re.sub(r"\b(typing|collections\.abc)\.", "", written) + "`"


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return "required"
    return f"`{parameter.default!r}`"
