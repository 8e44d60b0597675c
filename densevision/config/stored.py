"""A config as plain data, for checkpoints: written from a config, and read back without running anything."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FunctionType

from mmengine.config import Config, ConfigDict

from densevision.config.load import complete_config
from densevision.config.types import TYPE_KEYS, dotted_name, resolve_texts
from densevision.errors import UserError

_OF_A_RUN = ("work_dir", "resume", "load_from", "launcher", "experiment_name")  # not part of what was trained
_OUTPUTS = ("out_dir", "out_file_path", "save_dir")
_SCOPES = (None, "densevision", "mmengine")

Plain = dict[str, object]


def to_plain(config: Config) -> Plain:
    """Return a config as dicts, lists, tuples, text, numbers and None, with the dotted names of classes.

    Args:
        config: from ``load_config``; where results go and how a run was started is left out.
    Raises:
        UserError: it contains something else, such as a function or a built object, or a class in another place than a
            ``type``.
    """
    content = {key: value for key, value in config.items() if key not in _OF_A_RUN}
    return {key: _to_plain(value, key) for key, value in content.items()}


def _to_plain(value: object, place: str) -> object:
    if isinstance(value, Mapping):
        return {key: _to_plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_to_plain(item, f"{place}.{position}") for position, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type | FunctionType) and place.rpartition(".")[2] in TYPE_KEYS:
        return dotted_name(value)
    raise UserError(f"config, {place} is {value!r}, which is neither text, number, list, dict nor a registered class")


def from_plain(data: Mapping[str, object], filename: str, overrides: Iterable[str] = ()) -> Config:
    """Return the config that ``to_plain`` made the data from, with overrides applied.

    Types are looked up among the registered classes; no other module is imported, and nothing is run.

    Args:
        filename: the config's name in messages and for result folders.
        overrides: see ``load_config``.
    Raises:
        UserError: a type is not registered, or see ``load_config``.
    """
    content = {key: copy.deepcopy(_without_outputs(value)) for key, value in data.items() if key not in _OF_A_RUN}
    resolve_texts(content, short=True)
    if content.get("default_scope") not in _SCOPES:
        raise UserError(f"{filename}: default_scope is {content['default_scope']!r}; it must be None or 'densevision'")
    return complete_config(ConfigDict(content), overrides, filename)


def _without_outputs(value: object) -> object:
    """Drop where something would be written: a file that was read does not choose that."""
    if isinstance(value, Mapping):
        return {key: _without_outputs(item) for key, item in value.items() if key not in _OUTPUTS}
    return type(value)(map(_without_outputs, value)) if isinstance(value, list | tuple) else value
