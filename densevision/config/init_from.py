"""A config's ``init_from``: which weights a model starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from densevision.errors import UserError


@dataclass(frozen=True)
class InitFrom:
    """The content of a config's ``init_from``; plain text stands for ``source``.

    Attributes:
        source: a checkpoint of a training or of ``densevision convert``; or a published file that ``convert`` reads.
        model: "library:network" of a published file.
        same_classes: keep the columns of classes whose names both models have; else the class predictors are
            initialized anew if the classes differ.
        halved_tail: how a halved tail starts from a full one: with the "first_half" of the channels where shapes
            differ, or "leave_out" those tensors, which are initialized anew. None refuses such weights.
    """

    source: str
    model: str | None = None
    same_classes: bool = False
    halved_tail: str | None = None

    def __post_init__(self) -> None:
        if self.halved_tail not in (None, "first_half", "leave_out"):
            raise UserError(f"init_from.halved_tail is {self.halved_tail!r}; it is 'first_half' or 'leave_out'")

    @classmethod
    def parse(cls, value: object) -> InitFrom:
        """Read the value of a config.

        Raises:
            UserError: it is neither text nor a dict with these keys.
        """
        if isinstance(value, str | Path):
            return cls(str(value))
        known = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping) or "source" not in value or not set(value) <= set(known):
            raise UserError(f"init_from: give a file, or dict(source=...) with some of {', '.join(known[1:])}")
        return cls(**value)
