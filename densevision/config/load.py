"""Read a config file, apply overrides, and refuse keys that nothing reads."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict

from densevision.config.arguments import check_arguments, check_structure
from densevision.config.bases import package_bases
from densevision.config.derive import fill_best, fill_sizes, fill_test, forget_copies
from densevision.config.find import find_config
from densevision.config.paper import changes_network, check_paper
from densevision.config.part_types import use_classes
from densevision.config.readers import TOP_LEVEL, accepted_keys, near
from densevision.config.types import dotted_name, resolve_texts
from densevision.errors import UserError

_OPTIONS = {"work_dir": "--work-dir", "resume": "--resume", "launcher": "--launcher"}  # would overwrite such a key
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a config file, apply ``key.sub=value`` overrides, and check every key.

    Names that start with an underscore are private and dropped. Values that follow from another key are filled in, see
    ``derive``: the data sets' input size is the model's, and the test data are the val ones.

    Args:
        path: a pure-Python mmengine config, or the name of a shipped one.
        overrides: values are Python literals, ``dict(...)`` calls, or else plain text.
    Raises:
        UserError: there is no such config, it has an error or a key that nothing reads, or two keys disagree.
    """
    path = find_config(path)
    return complete_config(_read(path), overrides, str(path))


def complete_config(content: ConfigDict, overrides: Iterable[str], filename: str) -> Config:
    """Apply overrides to a config's content, fill in what other keys imply, and check every key; see ``load_config``.

    Args:
        content: it is changed.
        filename: the config's name in messages.
    """
    overrides = list(overrides)
    check_structure(content)
    val = forget_copies(content)
    for override in overrides:
        if not override.startswith("test_"):
            _apply(content, override)
    check_structure(content)
    fill_test(content, val)
    for override in overrides:
        if override.startswith("test_"):
            _apply(content, override)
    check_structure(content)
    fill_sizes(content)
    fill_best(content)
    if content.get("paper") is None or changes_network(overrides):
        content.pop("paper", None)
    else:
        check_paper(content["paper"])
    for name in content:
        if name not in TOP_LEVEL:
            raise UserError(f"{filename}: unknown key {name!r}{near(name, TOP_LEVEL)}")
    check_arguments(content)
    use_classes(content)
    return Config(content, cfg_text=filename, filename=filename)  # with a text, mmengine opens no file


def as_overrides(given: Mapping[str, object] | Iterable[str]) -> list[str]:
    """Return overrides as "key=value" texts, also of a dict by dotted key.

    Raises:
        UserError: they are neither; or a value can't be written as text.
    """
    if isinstance(given, Mapping):
        return [_as_text(str(key), _plain(value)) for key, value in given.items()]
    texts = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise UserError(f'overrides is {given!r}; give a dict by dotted key, or a list of "key=value" texts')
    return texts


def _as_text(key: str, value: object) -> str:
    text = repr(value)
    try:
        same = parse_value(key, text) == value
    except UserError:
        same = False
    if not same:  # also NaN and infinity
        raise UserError(f"overrides, {key} is {text}; give text, numbers, lists, dicts, classes or None")
    return f"{key}={text}"


def _plain(value: object) -> object:
    """Return classes, paths, and NumPy's numbers and arrays as text, numbers and lists."""
    if isinstance(value, type):
        return dotted_name(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _read(path: Path) -> ConfigDict:
    try:
        with package_bases():
            loaded = Config.fromfile(str(path))
        imported: set[str] = getattr(loaded, "_imported_names", set())
        items = loaded._cfg_dict.items()  # resolves the imports
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a config is a program: anything may go wrong in it, or end it
        raise UserError(f"{path}: {_fault(error)}") from error
    content = ConfigDict({k: v for k, v in items if k not in imported and not str(k).startswith("_")})
    if any(k == "_base_" for k, _ in items):
        raise UserError(f"{path}: _base_ has no effect next to read_base(); import the base in its with block")
    resolve_texts(content, may_import=True)
    return content


def _fault(error: BaseException) -> str:
    """Describe what a config's code raised, with the line where the code is not that of a base."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text}" + (f" (line {lines[0]})" if len(lines) == 1 else "")


def _apply(content: ConfigDict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"--cfg-options {override!r}: write key.sub=value")
    if key in _OPTIONS:
        raise UserError(f"--cfg-options {key}: use the option {_OPTIONS[key]} instead")
    *parents, last = key.split(".")
    target, place, typed = content, "", False
    for part in parents:
        target, place = _child(target, part, place, key), f"{place}{part}."
        typed = typed or isinstance(target, dict) and "type" in target
    new = {last: parse_value(key, text)}
    resolve_texts(new, place.rstrip("."))
    if isinstance(target, list):
        target[_position(target, last, key)] = new[last]
        return
    known = set(target) | accepted_keys(place.rstrip("."), target)
    if typed and "type" not in target:
        known.add("*")  # arguments that a constructor passes on, and refuses when the config is built
    if last not in known and "*" not in known:
        raise UserError(f"--cfg-options {key}: nothing reads {last!r} there{near(last, known)}")
    target[last] = new[last]


def _child(target: object, part: str, place: str, key: str) -> object:
    if isinstance(target, list):
        return target[_position(target, part, key)]
    if isinstance(target, dict) and target.get(part) is None and part in getattr(target.get("type"), "reads", {}):
        target[part] = ConfigDict()  # arguments of which the config sets none yet
    if not isinstance(target, dict) or not isinstance(target.get(part), dict | list):
        nearest = near(part, target) if isinstance(target, dict) else ""
        raise UserError(f"--cfg-options {key}: the config has no {place}{part} to set something in{nearest}")
    return target[part]


def _position(target: list, part: str, key: str) -> int:
    if not part.isdecimal() or int(part) >= len(target):
        raise UserError(f"--cfg-options {key}: {part!r} should be a position in a list, 0 to {len(target) - 1}")
    return int(part)


def parse_value(key: str, text: str) -> object:
    """Return the value of an override: a literal, ``dict(...)``, or the text itself.

    Raises:
        UserError: the text begins like a list, tuple or dict, and is not one.
    """
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    try:
        return _literal(ast.parse(text.strip(), mode="eval").body)
    except (MemoryError, RecursionError, TypeError) as error:  # thousands of brackets; a dict as a key
        raise UserError(f"--cfg-options {key}: can't read {text[:60]!r}; it is no value of a config") from error
    except (ValueError, SyntaxError) as error:
        if text.lstrip().startswith(("[", "(", "{", "dict(")):
            raise UserError(f"--cfg-options {key}: can't read {text[:200]!r}; quote the words in it") from error
        return text


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.List):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {
            ast.literal_eval(key): _literal(value) for key, value in zip(node.keys, node.values, strict=True) if key
        }
    return ast.literal_eval(node)
