"""Evaluate a network at several scales, and mirrored: the mean of its scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from densevision.structures import Views


def mean_scores(logits_of: Callable[[Tensor], Tensor], images: Tensor, views: Views) -> Tensor:
    """Average the softmax scores of all views.

    Args:
        logits_of: maps normalized images [N, 3, h, w] to logits [N, K, h, w].
        images: [N, 3, H, W], normalized.
    Returns:
        [N, K, H, W] in 0..1.
    """
    size, total = images.shape[-2:], torch.zeros(())
    for scale in views.scales:
        scaled = _resize(images, [max(1, round(scale * side)) for side in size])
        for flipped in (False, True) if views.flip else (False,):
            logits = logits_of(scaled.flip(-1) if flipped else scaled)
            logits = logits.flip(-1) if flipped else logits
            total = total.to(logits) + _resize(logits, size).softmax(1)
    return total / (len(views.scales) * (1 + views.flip))


def _resize(values: Tensor, size: Sequence[int]) -> Tensor:
    if values.shape[-2:] == tuple(size):
        return values
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)
