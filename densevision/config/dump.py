"""Write a config as text, for checkpoints, work directories and .tflite files."""

from __future__ import annotations

import copy
from types import FunctionType

from mmengine.config import Config

from densevision.config.types import dotted_name


def printable(config: Config) -> Config:
    """Copy a config with names in place of classes, which mmengine can't write to a file."""
    config = copy.deepcopy(config)
    _name_classes(config._cfg_dict)
    object.__setattr__(config, "__class__", PrintedConfig)
    return config


class PrintedConfig(Config):
    """A config whose text is formatted again only after a change: mmengine reads it at every checkpoint."""

    @property
    def pretty_text(self) -> str:
        """The content of a Python file with this config."""
        content = repr(self._to_lazy_dict())
        known, text = self.__dict__.get("_printed", (None, ""))
        if content != known:
            text = self._format()
            object.__setattr__(self, "_printed", (content, text))
        return text

    def _format(self) -> str:
        # mmengine does not escape quotes and newlines in keys, and a class name may contain them.
        copied = copy.deepcopy(self)
        placeholders = _replace_keys(copied._cfg_dict, {})
        text = Config.pretty_text.fget(copied)
        for placeholder, key in placeholders.items():
            text = text.replace(repr(placeholder), repr(key))
        return text


def _replace_keys(value: object, placeholders: dict[str, str]) -> dict[str, str]:
    """Replace the keys that need escapes in Python text by placeholders; return the keys by placeholder."""
    if isinstance(value, list | tuple):
        for item in value:
            _replace_keys(item, placeholders)
    if isinstance(value, dict):
        for key, item in list(dict.items(value)):
            _replace_keys(item, placeholders)
            if isinstance(key, str) and repr(key) != f"'{key}'":
                placeholder = f"key {len(placeholders)} of this config"
                placeholders[placeholder] = key
                dict.__setitem__(value, placeholder, dict.pop(value, key))  # mmengine sorts them in any case
    return placeholders


def _name_classes(value: object) -> None:
    if isinstance(value, dict | list):
        for key, item in list(dict.items(value) if isinstance(value, dict) else enumerate(value)):
            if isinstance(item, type | FunctionType):
                value[key] = dotted_name(item)
            else:
                _name_classes(item)
