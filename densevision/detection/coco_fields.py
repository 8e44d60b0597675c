"""Values of a json's fields, whatever was written there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np


def plain_boxes(raw: list) -> np.ndarray | None:
    """Return the boxes at once where all are four plain numbers."""
    try:
        flat = list(chain.from_iterable(raw))
        if set(map(type, raw)) <= {list} and set(map(len, raw)) <= {4} and set(map(type, flat)) <= {int, float}:
            return np.array(flat, np.float64).reshape(-1, 4)
    except (TypeError, OverflowError):
        pass
    return None


def image_sizes(images: Sequence[dict]) -> np.ndarray:
    sizes = np.array([numbers([image.get(key) for image in images]) for key in ("height", "width")]).T
    sizes = np.where((sizes >= 1) & (sizes < 2**31), sizes, 0)  # also NaN
    return np.rint(sizes).astype(np.int64).reshape(-1, 2)


def numbers(values: list) -> np.ndarray:
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
    id_ = annotation.get("id")
    return f"annotation {id_}" if id_ is not None else f"an annotation of image {annotation.get('image_id')}"


def shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
