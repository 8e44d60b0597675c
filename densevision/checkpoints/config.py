"""The config that a checkpoint carries."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from densevision.checkpoints.reading import read_checkpoint
from densevision.config.load import complete_config, load_config
from densevision.config.stored import from_plain, to_plain
from densevision.config.types import resolve_type
from densevision.errors import UserError

_KEY = "stored_config"  # in a checkpoint's meta; mmengine would execute the text of "config"
_DAMAGE = (TypeError, KeyError, ValueError, AttributeError)  # what reading damaged plain data raises


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

    A detector that gets another ``input_size`` than it was trained at keeps its anchors in pixels, as
    ``model.anchor_side``: its network knows objects by their size in pixels, and with anchors that grow with the input
    it misjudges them.

    Args:
        config: a given one, which takes precedence; None uses the one that the checkpoint carries.
        overrides: see ``load_config``.
        only_model: of the one that the checkpoint carries, return only what predicting needs, so that a data set or
            a metric of one's own need not be registered.
    Raises:
        UserError: there is no config, or see ``read_checkpoint`` and ``load_config``.
    """
    if config is None:
        found = stored_config(read_checkpoint(checkpoint), checkpoint, overrides, only_model=only_model)
    else:
        found = as_config(config, overrides)
    _keep_anchors(found.get("model"), _trained_model(checkpoint, config))
    return found


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
    except (*_DAMAGE, RecursionError) as error:
        raise UserError(f"{origin}: its stored config is damaged; give the config of its training too") from error


def _trained_model(checkpoint: str | Path, config: str | Path | Config | None) -> Any:
    """Return the model's config that weights were trained with: their own, else the given one without overrides.

    Faults are reported where the checkpoint or the config is needed.
    """
    with contextlib.suppress(UserError, *_DAMAGE):
        return read_checkpoint(checkpoint)["meta"][_KEY]["content"]["model"]
    with contextlib.suppress(UserError):
        return None if config is None else as_config(config).get("model")
    return None


def _keep_anchors(model: Any, trained: Any) -> None:
    """Set ``anchor_side`` of a model's config, where it has another input size than that of its training."""
    with contextlib.suppress(UserError, *_DAMAGE):  # one that is wrong is reported where it is built
        arguments = inspect.signature(resolve_type(model["type"])).parameters
        if "anchor_side" not in arguments or model.get("anchor_side") is not None:
            return
        sizes = [tuple(each.get("input_size", arguments["input_size"].default)) for each in (model, trained)]
        if sizes[0] != sizes[1]:
            model["anchor_side"] = trained.get("anchor_side") or min(sizes[1])


def _model_part(content: dict) -> dict[str, object]:
    dataset = (content.get("test_dataloader") or {}).get("dataset") or {}
    resize = dict(float_resize=dataset.get("float_resize", False))
    return dict(model=content.get("model"), test_dataloader=dict(dataset=resize))
