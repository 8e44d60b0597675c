"""Parse JSON of unknown origin: the only place that does, so that every reader takes the same faults."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_json(text: str | bytes, *, constants: bool = True) -> Any:
    """Return what a JSON text says.

    Args:
        text: bytes are in UTF-8, 16 or 32, with or without a byte order mark.
        constants: False refuses NaN and Infinity, which JSON does not have.
    Raises:
        ValueError: it is no JSON; also where it is nested too deeply, or has a number of thousands of digits.
    """
    text = text.removeprefix("\ufeff") if isinstance(text, str) else text
    try:
        return json.loads(text) if constants else json.loads(text, parse_constant=_refuse)
    except (RecursionError, MemoryError):
        raise ValueError("it is nested too deeply") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which is no JSON")
