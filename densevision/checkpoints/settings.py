"""Settings that belong to weights: padding, epsilons of batch norms, scaling of the input."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from densevision.errors import UserError

Settings = dict[str, object]  # config key below "model." -> its value


def settings_of(network: Any) -> Settings:
    """Return the settings of a model.

    These are "backbone.padding" where the backbone has one, "<part>.bn_eps" of each part with batch norms, and
    "data_preprocessor".
    """
    settings: Settings = {}
    if hasattr(network.backbone, "padding"):
        settings["backbone.padding"] = network.backbone.padding
    for part, module in network.named_children():
        norms = [m.eps for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        if norms:
            settings[f"{part}.bn_eps"] = norms[0]
    normalize: Any = getattr(network, "data_preprocessor", None)
    if normalize is not None:
        settings |= scaling(normalize.mean.flatten().tolist(), normalize.std.flatten().tolist())
    return settings


def scaling(mean: Iterable[float], std: Iterable[float]) -> Settings:
    """Return "data_preprocessor" for an input of this mean and spread, in 0..255."""
    values = {"mean": [round(v, 3) for v in mean], "std": [round(v, 3) for v in std]}
    return {"data_preprocessor": {"type": "densevision.Normalize", **values}}


def non_default(settings: Settings) -> Settings:
    """Leave out the settings that models have by default."""
    usual = ("symmetric", 1e-3, *scaling([127.5] * 3, [127.5] * 3).values())
    return {name: value for name, value in settings.items() if value not in usual}


def format_overrides(settings: Settings) -> str:
    """Write settings as in a config or after ``--cfg-options``."""
    return ", ".join(f"model.{name}={value}" for name, value in settings.items())


def check_settings(model: nn.Module, wanted: Settings, parts: Iterable[str], origin: str | Path) -> None:
    """Check that a model computes with its new weights what they were trained to compute.

    Args:
        wanted: the settings that came with the weights; may be empty.
        parts: of the model, which take the weights.
        origin: of the weights, for the message.
    Raises:
        UserError: a setting differs; the message names what to set.
    """
    if not wanted:
        return
    found = settings_of(model)
    parts = {*parts, "data_preprocessor"}
    concerned = [name for name in wanted if name in found and name.partition(".")[0] in parts]
    differ = {name: wanted[name] for name in concerned if found[name] != wanted[name]}
    if differ:
        raise UserError(f"{origin} was trained with other settings; set in the config {format_overrides(differ)}")
