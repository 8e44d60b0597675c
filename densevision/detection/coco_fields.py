"""Parse the fields of a COCO json, valid or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np


def plain_boxes(raw: list) -> np.ndarray | None:
    """Return [M, 4] boxes if each is a list of four numbers, else None; one call for all saves time."""
    if set(map(type, raw)) <= {list} and set(map(len, raw)) <= {4}:
        flat = list(chain.from_iterable(raw))
        if set(map(type, flat)) <= {int, float}:
            try:
                return np.array(flat, np.float64).reshape(-1, 4)
            except OverflowError:
                pass
    return None


def parse_box(box: Any) -> list[float] | None:
    """Return the four numbers of a box, NaN where one is missing; None if it is anything else."""
    if not isinstance(box, list) or len(box) != 4:
        return None
    values = [to_float(value) for value in box]
    invalid = any(math.isnan(v) and not is_missing(given) for given, v in zip(box, values, strict=True))
    return None if invalid else values


def image_sizes(images: Sequence[dict]) -> np.ndarray:
    """Return [N, 2] int64 (height, width) of the images of a json; 0 where it is not a number of at least 1."""
    sizes = np.array([to_floats([image.get(key) for image in images]) for key in ("height", "width")]).T
    sizes = np.where((sizes >= 1) & (sizes < 2**31), sizes, 0)  # also NaN
    return np.rint(sizes).astype(np.int64).reshape(-1, 2)


def to_floats(values: list) -> np.ndarray:
    """Convert each value with ``to_float``."""
    plain = set(map(type, values)) <= {int, float}
    try:
        return np.array(values if plain else [to_float(value) for value in values], np.float64)
    except OverflowError:
        return np.array([to_float(value) for value in values], np.float64)


def to_float(value: Any) -> float:
    """Convert a number, or digits in quotes, to float; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def is_missing(value: Any) -> bool:
    """Tell whether a value means "none": null, an empty string, NaN."""
    return value is None or value == "" or value != value or str(value).strip().lower() == "nan"


def to_plain_id(id_: Any) -> Any:
    """Return the number that is written as a string of digits; other ids unchanged."""
    value = to_float(id_) if isinstance(id_, str) else math.nan
    if not math.isfinite(value) or value != int(value):
        return id_
    return int(id_) if id_.strip().lstrip("+-").isdecimal() else int(value)


def sort_key(id_: Any) -> tuple[bool, Any]:
    """Order numbers, also those in quotes, before words."""
    plain = to_plain_id(id_)
    return (False, plain) if isinstance(plain, int | float) else (True, str(plain))


def describe(annotation: dict) -> str:
    """Name an annotation in a message."""
    id_ = annotation.get("id")
    return f"annotation {id_}" if id_ is not None else f"an annotation of image {annotation.get('image_id')}"


def shorten(value: Any) -> str:
    """Format a value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
