"""Tell a model that learned something from one that did not. Standard library only."""

from __future__ import annotations

import math

WORTHLESS_BELOW = 0.01  # a point of 100
_OF_ONE = ("coco/", "seg/")  # what the metrics that run from 0 to 1 begin with


def worthless(name: str, value: float) -> str | None:
    """Return a line that calls a model worthless by its metric, or None.

    Args:
        name: key of the metric, as "coco/AP". Of metrics other than the package's own the scale is not known.
        value: 0 to 1; NaN, or below 0 as pycocotools has it, where the data has nothing to measure by.
    """
    if not name.startswith(_OF_ONE):
        return None
    if math.isnan(value) or value < 0:
        return f"warning: {name} can't be measured ({value:g}): the data has no object or labeled pixel to find"
    if value < WORTHLESS_BELOW:
        points = f"{100 * value:.2f} of 100"
        return f"warning: this model is worthless: {name} is {points}; train it longer, or check its data"
    return None
