"""Values of a json's fields, whatever was written there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np


def plain_boxes(raw: list) -> np.ndarray | None:
    """Return the boxes at once where all are four plain numbers."""
    if set(map(type, raw)) <= {list} and set(map(len, raw)) <= {4}:
        flat = list(chain.from_iterable(raw))
        if set(map(type, flat)) <= {int, float}:
            try:
                return np.array(flat, np.float64).reshape(-1, 4)
            except OverflowError:
                pass
    return None


def is_plain_box(box: Any) -> bool:
    """Tell whether a box is four numbers that need no second look."""
    numbers_only = type(box) is list and len(box) == 4 and set(map(type, box)) <= {int, float}
    return numbers_only and all(type(value) is float or -1e9 < value < 1e9 for value in box)


def image_sizes(images: Sequence[dict]) -> np.ndarray:
    """Return [N, 2] int64 (height, width) of a json's images; 0 where it is no number from 1."""
    sizes = np.array([numbers([image.get(key) for image in images]) for key in ("height", "width")]).T
    sizes = np.where((sizes >= 1) & (sizes < 2**31), sizes, 0)  # also NaN
    return np.rint(sizes).astype(np.int64).reshape(-1, 2)


def numbers(values: list) -> np.ndarray:
    """Return ``number`` of each value."""
    plain = set(map(type, values)) <= {int, float}
    try:
        return np.array(values if plain else [number(value) for value in values], np.float64)
    except OverflowError:
        return np.array([number(value) for value in values], np.float64)


def number(value: Any) -> float:
    """Return a number, or digits in quotes, as float; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def is_gap(value: Any) -> bool:
    """Tell whether a value says that there is none: null, an empty string, NaN."""
    return value is None or value == "" or value != value or str(value).strip().lower() == "nan"


def plain_id(id_: Any) -> Any:
    """Return the number that a string of digits stands for."""
    value = number(id_) if isinstance(id_, str) else math.nan
    if not math.isfinite(value) or value != int(value):
        return id_
    return int(id_) if id_.strip().lstrip("+-").isdecimal() else int(value)


def sort_key(id_: Any) -> tuple[bool, Any]:
    """Order numbers, also those in quotes, before words."""
    plain = plain_id(id_)
    return (False, plain) if isinstance(plain, int | float) else (True, str(plain))


def named(annotation: dict) -> str:
    """Name an annotation in a message."""
    id_ = annotation.get("id")
    return f"annotation {id_}" if id_ is not None else f"an annotation of image {annotation.get('image_id')}"


def shorten(value: Any) -> str:
    """Show a value in a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
