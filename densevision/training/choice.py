"""Choose the checkpoint to resume from: the latest one that is whole and finite."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from densevision.checkpoints.reading import check_weights, first_not_finite, read_checkpoint
from densevision.errors import UserError


def choose_checkpoint(runner: Runner, path: Path) -> tuple[Path, list[str]]:
    """Return the checkpoint to resume from: ``path``, or the latest one before it that is whole and finite.

    Returns:
        The path, and messages about the choice.
    Raises:
        UserError: the file is of a different model, or no checkpoint is whole and finite.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    wrong = _fault(model, path)
    if wrong is None:
        return path, []
    for earlier in _earlier(path):
        if _fault(model, earlier) is None:
            return earlier, [f"{path.name} {wrong}; resuming from {earlier.name}"]
    finite = "finite" in wrong
    remedy = ", with a lower optim_wrapper.optimizer.lr or a lower optim_wrapper.clip_grad.max_norm" if finite else ""
    raise UserError(
        f"{path} {wrong}, and no earlier checkpoint is {'finite' if finite else 'whole'}; start from scratch without "
        f"--resume{remedy}"
    )


def readable(path: Path) -> Path:
    """Return a checkpoint, or the latest one before it that can be read; the checkpoint itself if there is none."""
    for candidate in (path, *_earlier(path)):
        try:
            read_checkpoint(candidate)
        except UserError:
            continue
        return candidate
    return path


def _fault(model: Any, path: Path) -> str | None:
    """Return what is wrong with a checkpoint's file or its values, without its path."""
    try:
        checkpoint = read_checkpoint(path)
    except UserError as error:
        return str(error).removeprefix(f"{path} ")
    check_weights(model, checkpoint, path, resuming=True)
    wrong = first_not_finite(model, checkpoint)
    return None if wrong is None else f"has values that are not finite ({wrong})"


def _earlier(path: Path) -> list[Path]:
    numbered = {int(p.stem[5:]): p for p in path.parent.glob("iter_*.pth") if p.stem[5:].isdecimal() and p != path}
    last = int(path.stem[5:]) if path.stem[5:].isdecimal() else math.inf
    return [numbered[number] for number in sorted(numbered, reverse=True) if number < last]
