"""Check that a report that is read has the form that ``content`` writes, in all that a comparison shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from densevision.task import TASKS

_LARGEST = 1e300  # a chart multiplies and adds numbers


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _number_or_none(value: object) -> bool:
    return value is None or _number(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> bool:
    return value is None or _text(value)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


Form = Callable[[object], bool] | list | dict
# A list has one form for all of its items; a dict has a form per key, "?" before a key that may be absent, and "*" for
# all others.
_TASK = {"?classes": [{"name": _text}], "?score_threshold": _number, "?mean_f1": _number}
_MODEL = {
    **dict.fromkeys(("?parameters", "?file_bytes", "?weights_bytes", "?madds", "?latency_ms"), _number),
    "name": _text,
    "?latency_by": _text,
    "?input_size": [_number],
}
_REPORT: Form = {
    "name": _text,
    "metrics": {"*": _number_or_none},
    "metric": {"name": _text_or_none, "is_share": _flag},
    "iterations": {"*": _number},
    "model": _MODEL,
    "settings": {"*": _text},
    "curves": [{"iteration": _number, "*": _number_or_none}],
    **{f"?{task}": _TASK for task in TASKS},
}


def is_report(content: Any) -> bool:
    """Whether all that a comparison shows is there and of the right type."""
    return _fits(content, _REPORT)


def _fits(value: Any, form: Form) -> bool:
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(item, form[0]) for item in value)
    if isinstance(form, dict):
        return isinstance(value, dict) and _keys_fit(value, form)
    return form(value)


def _keys_fit(value: dict[str, Any], form: dict[str, Form]) -> bool:
    known = {key.removeprefix("?"): one for key, one in form.items() if key != "*"}
    if any(key not in value for key in form if key != "*" and not key.startswith("?")):
        return False
    others = form.get("*", lambda _: True)
    return all(_fits(item, known.get(key, others)) for key, item in value.items())
