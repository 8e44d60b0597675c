"""Choose the network by task and target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from densevision.backbones.tables import BACKBONES
from densevision.errors import UserError, did_you_mean
from densevision.proposal.choice import Choice

TARGETS = ("phone-fast", "balanced", "accurate")
SHORT = {"small": "mobilenet_v3_small", "large": "mobilenet_v3_large"}
_TITLES = {"mobilenet_v3_small": "V3-Small", "mobilenet_v3_large": "V3-Large"}
_WHY = {
    "phone-fast": "the fastest",
    "balanced": "small and fast; --target accurate takes V3-Large",
    "accurate": "the most accurate",
}


def choose_backbone(task: str, model: str | None, target: str) -> Choice[Mapping[str, Any]]:
    """Return the arguments of ``build_backbone``, with the reason.

    Args:
        task: "detection", "segmentation" or "classification".
        model: "small", "large" or the name of a backbone; None to choose by target.
        target: one of ``TARGETS``.
    Raises:
        UserError: there is no such backbone.
    """
    name = SHORT.get(model or "", model or SHORT["large" if target == "accurate" else "small"])
    if name not in BACKBONES:
        near = did_you_mean(name, [*SHORT, *BACKBONES]) or f"there are {', '.join([*SHORT, *BACKBONES])}"
        raise UserError(f"--model {model}: no such backbone; {near}")
    backbone: dict[str, Any] = dict(name=name)
    if task == "segmentation":
        backbone["output_stride"] = 32 if target == "phone-fast" else 16
    if name == SHORT["small"] and task != "classification":
        backbone["reduced_tail"] = task
    why = f"--target {target}: {_WHY[target]}" if model is None else f"--model {model}"
    return Choice(backbone, why)


def describe_backbone(backbone: Mapping[str, Any]) -> str:
    """Write a backbone as in the shipped configs: "V3-Small, halved tail"."""
    title = _TITLES.get(backbone["name"], backbone["name"])
    return f"{title}, halved tail" if backbone.get("reduced_tail") else title
