"""The text of a config, as checkpoints, work directories and .tflite files hold it."""

from __future__ import annotations

import copy
from types import FunctionType

from mmengine.config import Config


def printable(config: Config) -> Config:
    """Copy a config with names in place of classes that were set in Python, which mmengine can't write to a file."""
    config = copy.deepcopy(config)
    _name_classes(config._cfg_dict)
    object.__setattr__(config, "__class__", PrintedConfig)
    return config


class PrintedConfig(Config):
    """A config whose text is laid out again only after a change: mmengine asks for it at every checkpoint."""

    @property
    def pretty_text(self) -> str:
        """The config as a Python file."""
        content = repr(self._to_lazy_dict())
        known, text = self.__dict__.get("_printed", (None, ""))
        if content != known:
            text = self._lay_out()
            object.__setattr__(self, "_printed", (content, text))
        return text

    def _lay_out(self) -> str:
        """mmengine escapes no quote and no newline in a key, and a class name may have them."""
        copied = copy.deepcopy(self)
        stand_ins = _replace_keys(copied._cfg_dict, {})
        text = Config.pretty_text.fget(copied)
        for stand_in, key in stand_ins.items():
            text = text.replace(repr(stand_in), repr(key))
        return text


def _replace_keys(value: object, stand_ins: dict[str, str]) -> dict[str, str]:
    """Replace the keys that Python's text would have to escape; returns them by what stands in their place."""
    if isinstance(value, list | tuple):
        for item in value:
            _replace_keys(item, stand_ins)
    if isinstance(value, dict):
        for key, item in list(dict.items(value)):
            _replace_keys(item, stand_ins)
            if isinstance(key, str) and repr(key) != f"'{key}'":
                stand_in = f"key {len(stand_ins)} of this config"
                stand_ins[stand_in] = key
                dict.__setitem__(value, stand_in, dict.pop(value, key))  # mmengine sorts them in any case
    return stand_ins


def _name_classes(value: object) -> None:
    if isinstance(value, dict | list):
        for key, item in list(dict.items(value) if isinstance(value, dict) else enumerate(value)):
            if isinstance(item, type | FunctionType):
                value[key] = f"{item.__module__}.{item.__qualname__}"
            else:
                _name_classes(item)
