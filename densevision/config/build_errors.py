"""Report what fails while a registry builds from a config in one line."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger
from mmengine.registry import build_from_cfg

from densevision.config.types import resolve_type
from densevision.errors import UserError


@contextmanager
def config_errors() -> Iterator[None]:
    """Turn an error while a registry builds from the config into one line; a run's log file keeps the traceback."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a part may raise anything
        built = _being_built(error)
        if built is None:
            raise
        _log_to_file(traceback.format_exc())
        text = _unregistered(error) or (error.args[0] if isinstance(error, KeyError) else str(error))
        raise UserError(f"config, {built}: {' '.join(str(text).split())}") from error


def _log_to_file(text: str) -> None:
    logger = MMLogger.get_current_instance()
    record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, text, (), None)
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


def _unregistered(error: BaseException) -> str | None:
    """Return what to say about a ``type`` that the innermost registry does not have; None for other errors."""
    if not isinstance(error, KeyError) or "is not in the" not in str(error):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code is build_from_cfg.__code__]
    registry, name = frames[-1].f_locals["registry"], frames[-1].f_locals["cfg"].get("type")
    try:
        resolve_type(name, registry.children.get("densevision", registry))
    except UserError as unknown:
        return str(unknown).removeprefix("config, ")
    return None


def _being_built(error: BaseException) -> str | None:
    """Return the name of the class that mmengine was building from the config when ``error`` was raised."""
    name = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is build_from_cfg.__code__:
            name = getattr(frame.f_locals.get("obj_cls"), "__name__", str(frame.f_locals["cfg"].get("type")))
    return name
