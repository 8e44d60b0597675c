"""Keep a part of a backbone as it is while the rest trains: for fine-tuning."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def freeze(backbone: Any, stages: int, *, norm_statistics: bool) -> None:
    """Freeze the first stages of a backbone, and the statistics of its batch norms.

    Args:
        backbone: as of ``build_backbone``.
        stages: how many of ``backbone.stages()``: their parameters get no gradient, their batch norms normalize by
            the running statistics and leave them as they are.
        norm_statistics: keep the running statistics of every batch norm; scales and shifts still train,
            except in frozen stages.
    Raises:
        ValueError: a value is invalid, or the backbone has fewer stages, or names none.
    """
    if isinstance(stages, bool) or not isinstance(stages, int) or stages < 0:
        raise ValueError(f"frozen_stages is {stages!r}; give a whole number from 0")
    if not isinstance(norm_statistics, bool):
        raise ValueError(f"freeze_norm_statistics is {norm_statistics!r}; give True or False")
    available = len(backbone.stages()) if hasattr(backbone, "stages") else 0
    if stages > available:
        names = f"{type(backbone).__name__} has {available} stages" if available else "this backbone names no stages"
        raise ValueError(f"frozen_stages is {stages}; {names}, give at most {available}")
    backbone.frozen_stages, backbone.freeze_norm_statistics = stages, norm_statistics
    for module in _frozen(backbone):
        module.requires_grad_(False)


def keep_frozen(backbone: Any) -> None:
    """Put the frozen modules back into evaluation mode; models call this at the end of ``train``."""
    for module in _frozen(backbone):
        module.eval()
    if getattr(backbone, "freeze_norm_statistics", False):
        for module in backbone.modules():
            if isinstance(module, _BatchNorm):  # of PyTorch, ours, or synchronized
                module.eval()


def _frozen(backbone: Any) -> list[nn.Module]:
    count = getattr(backbone, "frozen_stages", 0)
    return [module for stage in backbone.stages()[:count] for module in stage] if count else []
