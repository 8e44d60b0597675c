"""A config's ``teacher``: the trained network whose outputs a training follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from densevision.errors import UserError


@dataclass(frozen=True)
class TeacherOptions:
    """The content of a config's ``teacher``; plain text stands for ``checkpoint``.

    Attributes:
        checkpoint: a ``best.pth`` of the same task and of all classes of the training data.
        loss: ``type`` and options of the loss that compares the outputs; None is ``AnchorDistillation`` for a detector
            and ``PixelDistillation`` for a segmentation model.
    """

    checkpoint: str
    loss: dict[str, Any] | None = None

    @classmethod
    def parse(cls, value: object) -> TeacherOptions:
        """Read the value of a config.

        Raises:
            UserError: it is neither text nor a dict with these keys.
        """
        if isinstance(value, str | Path):
            return cls(str(value))
        known = [field.name for field in fields(cls)]
        if isinstance(value, Mapping) and isinstance(value.get("checkpoint"), str | Path) and set(value) <= set(known):
            loss = value.get("loss")
            if loss is None or isinstance(loss, Mapping) and "type" in loss:
                return cls(str(value["checkpoint"]), None if loss is None else dict(loss))
        raise UserError(
            f"teacher is {value!r}; give the file of a checkpoint, or dict(checkpoint=..., loss=dict(type=...))"
        )
