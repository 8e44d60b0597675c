"""A Griffe extension that reads docstrings in the form of this project: sections without blank lines between them."""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$", re.MULTILINE)
_RETURNS = re.compile(r"^Returns:\n +", re.MULTILINE)
_REMARK = re.compile(r"^(Source|Departs): ", re.MULTILINE)


class HouseSections(griffe.Extension):
    """Separate the sections of each docstring, as Griffe's parser needs."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of a module, class, function or attribute."""
        if not obj.docstring:
            return
        text = separate(obj.docstring.value)
        returned = obj.returns if isinstance(obj, griffe.Function) else None
        if returned is not None:  # without its type here, the text up to a colon would be taken for one
            text = _RETURNS.sub(lambda match: f"{match[0]}{returned}: ", text)
        obj.docstring.value = text


def separate(text: str) -> str:
    """Put a blank line before each section, and the names of one-line remarks in bold."""
    return _REMARK.sub(r"\n**\1:** ", _SECTION.sub(r"\n\1:", text))
