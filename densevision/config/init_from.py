"""A config's ``init_from``: which weights a model starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from densevision.errors import UserError


@dataclass(frozen=True)
class InitFrom:
    """What a config's ``init_from`` may say; a plain string stands for ``source``.

    Attributes:
        source: a checkpoint of ours, of training or of ``densevision convert``; or what ``convert`` reads.
        model: of a published file: which "library:network" it holds.
        same_classes: keep the columns of the classes that both have by name; else the class predictors of other
            classes start anew.
        halved_tail: what a halved tail takes from a whole one: "first_half" of the channels where shapes differ,
            or "leave_out", those tensors start anew. None refuses such weights.
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
        """Read what stands in a config.

        Raises:
            UserError: neither text nor a dict with these names.
        """
        if isinstance(value, str | Path):
            return cls(str(value))
        known = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping) or "source" not in value or not set(value) <= set(known):
            raise UserError(f"init_from: give a file, or dict(source=...) with some of {', '.join(known[1:])}")
        return cls(**value)
