"""Fill in what a config does not state because another of its keys does.

``model.input_size`` and ``model.center_crop`` are also those of the data sets. ``test_dataloader`` and
``test_evaluator`` are the val ones where the config does not state them; a ``test_dataloader`` whose data set has no
``type`` states only what differs from ``val_dataloader``. The val metric's ``best_key`` is the ``save_best`` of the
checkpoint hook.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import TypeGuard

from mmengine.config import ConfigDict
from mmengine.registry import Registry

from densevision.config.hints import parameters_of
from densevision.config.types import resolve_type
from densevision.errors import UserError
from densevision.registry import DATASETS, METRICS, MODELS

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_SIZE, _CROP = "input_size", "center_crop"


def forget_copies(content: ConfigDict) -> dict[str, ConfigDict | None]:
    """Drop what a config only repeats, so that a change of the original value applies there too.

    Returns:
        The val loader and evaluator before any override, for ``fill_test``.
    """
    size, model = _model_size(content), content.get("model")
    for _, mapping in _sized_datasets(content):
        if size is not None and _SIZE in mapping and _same_size(mapping[_SIZE], size):
            del mapping[_SIZE]
        if _CROP in mapping and isinstance(model, dict) and mapping[_CROP] == model.get(_CROP):
            del mapping[_CROP]
    val = {part: copy.deepcopy(content.get(f"val_{part}")) for part in ("dataloader", "evaluator")}
    for part, value in val.items():
        if value is not None and _plain(content.get(f"test_{part}")) == _plain(value):
            del content[f"test_{part}"]
    return val


def fill_test(content: ConfigDict, val: dict[str, ConfigDict | None]) -> None:
    """Complete the test loader and evaluator with the val ones; a key that is None switches the test off.

    Args:
        val: from ``forget_copies``; used where an override has switched validation off.
    """
    keys = ("test_dataloader", "test_evaluator", "test_cfg")
    loader = content.get("val_dataloader") or val["dataloader"]
    if not isinstance(loader, dict) or any(key in content and content[key] is None for key in keys):
        return
    content.test_dataloader = _overlay(loader, content.get("test_dataloader") or {})
    evaluator = content.get("val_evaluator") or val["evaluator"]
    if evaluator is not None:
        content.setdefault("test_evaluator", copy.deepcopy(evaluator))
    content.setdefault("test_cfg", ConfigDict(type="TestLoop"))


def fill_sizes(content: ConfigDict) -> None:
    """Set the data sets' input size and center crop to the model's.

    Raises:
        UserError: a data set states others, or the model's is not a (height, width).
    """
    size = _model_size(content)
    model = content.get("model") or {}
    if not isinstance(model, dict):
        raise UserError(f"config, model is {model!r}; it must be a dict")
    if size is None and _SIZE not in model:
        return
    if not _is_size(size):
        raise UserError(f"config, model.{_SIZE} is {size!r}; it must be (height, width) in pixels")
    for place, mapping in _sized_datasets(content):
        stated = mapping.get(_SIZE)
        if stated is not None and not _same_size(stated, size):
            raise UserError(
                f"config, {place}.{_SIZE} is {stated!r} and model.{_SIZE} is {size!r}; "
                f"set model.{_SIZE} only, the data sets follow it"
            )
        mapping[_SIZE] = tuple(size)
        if _CROP in _parameters(mapping, DATASETS) and mapping.setdefault(_CROP, model.get(_CROP)) != model.get(_CROP):
            raise UserError(f"config, {place}.{_CROP} differs from model.{_CROP}; set model.{_CROP} only")


def fill_best(content: ConfigDict) -> None:
    """Choose the best checkpoint by the val metric's ``best_key`` where the config does not state ``save_best``."""
    hooks, evaluator = content.get("default_hooks"), content.get("val_evaluator")
    checkpoint = hooks.get("checkpoint") if isinstance(hooks, dict) else None
    if not isinstance(checkpoint, dict) or "save_best" in checkpoint or not isinstance(evaluator, dict):
        return
    best = getattr(_type_of(evaluator, METRICS), "best_key", None)
    if best is not None:
        checkpoint["save_best"] = best


def _overlay(loader: ConfigDict, own: ConfigDict) -> ConfigDict:
    dataset = own.get("dataset") or {}
    complete = "type" in dataset
    if complete and ("sampler" in own or "batch_sampler" in own):
        return own
    merged = copy.deepcopy(loader)
    merged.update(own)
    if not complete:
        merged["dataset"] = copy.deepcopy(loader["dataset"])
        merged["dataset"].update(dataset)
    return merged


def _model_size(content: ConfigDict) -> object:
    """Return the model's input size, stated or default; None for a model without one."""
    model = content.get("model")
    if not isinstance(model, dict):
        return None
    return model.get(_SIZE, _default_size(model))


def _default_size(model: ConfigDict) -> object:
    parameter = _parameters(model, MODELS).get(_SIZE)
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def _sized_datasets(content: ConfigDict) -> Iterator[tuple[str, ConfigDict]]:
    """Yield every data set of the loaders that takes an input size, also inside wrappers, with its dotted place."""
    for name in LOADERS:
        loader = content.get(name)
        if isinstance(loader, dict):
            yield from _walk(loader.get("dataset"), f"{name}.dataset")


def _walk(value: object, place: str) -> Iterator[tuple[str, ConfigDict]]:
    if isinstance(value, dict):
        if _SIZE in _parameters(value, DATASETS):
            yield place, value
        for key, item in value.items():
            yield from _walk(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _walk(item, f"{place}.{position}")


def _parameters(mapping: ConfigDict, registry: Registry) -> dict[str, inspect.Parameter]:
    kind = _type_of(mapping, registry)
    return parameters_of(kind) if callable(kind) else {}


def _type_of(mapping: ConfigDict, registry: Registry) -> object:
    kind = mapping.get("type")
    if not isinstance(kind, str):
        return kind
    try:
        return resolve_type(kind, registry)
    except UserError:  # reported when it is built
        return None


def _is_size(size: object) -> TypeGuard[Sequence[int]]:
    if not isinstance(size, list | tuple) or len(size) != 2:
        return False
    return all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size)


def _same_size(one: object, other: object) -> bool:
    return _is_size(one) and _is_size(other) and tuple(one) == tuple(other)


def _plain(value: object) -> object:
    return value.to_dict() if isinstance(value, ConfigDict) else value
