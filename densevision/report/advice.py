"""What a user should know first about a result, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from densevision.training.metrics import warn_if_worthless

_SHOWN = 6  # class names in a line
# Task -> in its rows of classes, what shows how much of a class there is, and how well it is found; the first in words.
_MEASURED = {
    "classification": ("images", "recall", "images"),
    "detection": ("objects", "AP", "objects"),
    "segmentation": ("share", "IoU", "pixels"),
}


def warnings_of(content: Mapping[str, Any]) -> list[str]:
    """Return the warnings on a report's figures, the gravest first.

    Args:
        content: of ``build_content``, before ``plain``.
    """
    found = []
    warning = warn_if_worthless(content["metrics"], content["metric"]["name"])
    if warning:
        warning = warning.removeprefix("warning: ")
        found.append(f"{warning[0].upper()}{warning[1:]}.")
    elif content["kind"] == "training":
        found += _course(content)
    found += _classes(content)
    return found


def _course(content: Mapping[str, Any]) -> list[str]:
    iterations = content["iterations"]
    best, last, shown = (iterations.get(name) for name in ("best", "all", "shown"))
    found = []
    if best is not None and shown is not None and best != shown:
        found.append(
            f"The figures are of iteration {shown:,}; best.pth is of iteration {best:,}, before the training was "
            "resumed: densevision test shows it."
        )
    final = _final(content)
    if best and last and best < last / 2 and final is not None and final < 0.9 * content["metric"]["value"]:
        found.append(
            f"The best evaluation is at iteration {best:,} of {last:,}, and the last one is worse by more than a tenth "
            "(overfitting). Fewer iterations, more images or more augmentation help."
        )
    return found


def _final(content: Mapping[str, Any]) -> float | None:
    """Return the metric in the last evaluation."""
    name = content["metric"]["name"]
    return next((row[name] for row in reversed(content["curves"]) if name in row), None)


def _classes(content: Mapping[str, Any]) -> list[str]:
    task = next((one for one in _MEASURED if one in content), None)
    if task is None:
        return []
    amount, figure, what = _MEASURED[task]
    classes = content[task]["classes"]
    absent = [one["name"] for one in classes if not one[amount] > 0]
    lost = [one["name"] for one in classes if one[amount] > 0 and not one[figure]]
    found = []
    if lost:
        found.append(f"Never found: {_names(lost)}. More images with them help.")
    if absent:
        found.append(f"Without {what} in these data, so not measured: {_names(absent)}.")
    return found


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
