"""The config that a checkpoint carries."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config, ConfigDict

from densevision.checkpoints.reading import read_checkpoint
from densevision.config.load import complete_config, load_config
from densevision.config.stored import from_plain, to_plain
from densevision.errors import UserError

_KEY = "stored_config"  # in a checkpoint's meta; mmengine would execute the text of "config"


def describe_config(config: Config) -> dict[str, object]:
    """Return the entry of a checkpoint's meta from which ``checkpoint_config`` restores the config.

    Raises:
        UserError: see ``to_plain``.
    """
    return {_KEY: dict(name=Path(config.filename or "config.py").name, content=to_plain(config))}


def as_config(config: str | Path | Config, overrides: Iterable[str] = ()) -> Config:
    """Read a config, or copy a loaded one, and apply overrides; see ``load_config``."""
    if isinstance(config, Config):
        content = ConfigDict({key: copy.deepcopy(value) for key, value in config.items()})
        return complete_config(content, overrides, config.filename or "config.py")
    return load_config(config, overrides)


def checkpoint_config(
    checkpoint: str | Path,
    config: str | Path | Config | None = None,
    overrides: Iterable[str] = (),
    *,
    only_model: bool = False,
) -> Config:
    """Return the config of a checkpoint's model.

    Args:
        config: a given one, which takes precedence; None uses the one that the checkpoint carries.
        overrides: see ``load_config``.
        only_model: of the one that the checkpoint carries, return only what predicting needs, so that a data set or
            a metric of one's own need not be registered.
    Raises:
        UserError: there is no config, or see ``read_checkpoint`` and ``load_config``.
    """
    if config is not None:
        return as_config(config, overrides)
    return stored_config(read_checkpoint(checkpoint), checkpoint, overrides, only_model=only_model)


def stored_config(
    checkpoint: dict, origin: str | Path, overrides: Iterable[str] = (), *, only_model: bool = False
) -> Config:
    """Return the config that the content of a checkpoint carries; see ``checkpoint_config``.

    Args:
        origin: the checkpoint's name in messages.
    """
    stored = (checkpoint.get("meta") or {}).get(_KEY)
    if stored is None:
        raise UserError(f"{origin} does not contain its config; give the config of its training too")
    try:
        content = _model_part(stored["content"]) if only_model else stored["content"]
        return from_plain(content, Path(stored["name"]).name, overrides)
    except UserError as error:
        raise UserError(f"{origin}: {error}") from error
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{origin}: its stored config is damaged; give the config of its training too") from error


def _model_part(content: dict) -> dict[str, object]:
    dataset = (content.get("test_dataloader") or {}).get("dataset") or {}
    resize = dict(float_resize=dataset.get("float_resize", False))
    return dict(model=content.get("model"), test_dataloader=dict(dataset=resize))
