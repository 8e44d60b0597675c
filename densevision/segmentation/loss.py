"""Per-pixel losses that skip pixels without a label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from densevision.errors import UserError
from densevision.structures import check_range, check_whole

IGNORE_LABEL = 255


class CrossEntropyLoss(nn.Module):
    """Average the cross-entropy over the labeled pixels.

    Args:
        class_weights: K weights from 0, one per class, for a weighted average.
    Raises:
        UserError: a weight is not a number from 0, or all are 0.
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if class_weights is not None:
            _check_weights(f"{type(self).__name__}: class_weights", class_weights)
        # No buffer: the moving average pairs buffers by their position, and ``BalanceClasses`` sets the weights later.
        self.class_weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Reduce logits [N, K, H, W] and target [N, H, W] (uint8, 255 is ignored) to a scalar.

        Without a labeled pixel the result is 0, with zero gradients. In training, the number of labeled pixels is the
        mean over all processes, so that every pixel counts the same in the gradient.
        """
        losses, weights = self.per_pixel(logits, target)
        return losses.sum() / self._total(weights)

    def _total(self, weights: Tensor) -> Tensor:
        total = weights.sum()
        together = self.training and distributed.is_available() and distributed.is_initialized()
        if together:  # evaluations may have different numbers of batches
            distributed.all_reduce(total)
            total = total / distributed.get_world_size()
        return total.clamp(min=1e-6)

    def per_pixel(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return weighted losses and weights, both [N, H, W]; ignored pixels are 0 in both.

        Raises:
            UserError: the number of ``class_weights`` is not that of the classes.
        """
        target = target.long()
        if self.class_weights is not None and len(self.class_weights) != logits.shape[1]:
            number = len(self.class_weights)
            raise UserError(
                f"{type(self).__name__}: class_weights has {number} numbers; give {logits.shape[1]}, one per class"
            )
        if self.class_weights is not None and self.class_weights.device != logits.device:
            self.class_weights = self.class_weights.to(logits.device)  # once: each copy waits for the device
        weights = self.class_weights
        losses = F.cross_entropy(logits, target, weights, ignore_index=IGNORE_LABEL, reduction="none")
        labeled = target != IGNORE_LABEL
        if weights is None:
            return losses, labeled.to(losses.dtype)
        return losses, weights[target * labeled] * labeled


def _check_weights(place: str, weights: object) -> None:
    if not isinstance(weights, list | tuple):
        raise UserError(f"{place} is {weights!r:.80}; give a list with a number per class")
    for position, weight in enumerate(weights):
        check_range(f"{place}[{position}]", weight, low=0)
    if not any(weights):
        raise UserError(f"{place} is {weights!r:.80}; at least one must be over 0")


class OHEMCrossEntropyLoss(CrossEntropyLoss):
    """Average the cross-entropy over the hard pixels only.

    A pixel is hard if the score of its target class is below ``threshold``; at least the hardest ``min_kept`` of the
    labeled pixels always count. Each process selects among its own pixels.

    Args:
        class_weights: as in :class:`CrossEntropyLoss`; hardness does not depend on them.
        threshold: softmax score, over 0 to 1.
        min_kept: share of the labeled pixels in 0..1.
    Raises:
        UserError: a value is out of its range.
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        *,
        threshold: float = 0.7,
        min_kept: float = 1 / 16,
    ) -> None:
        super().__init__(class_weights)
        check_range("OHEMCrossEntropyLoss: threshold", threshold, low=0, high=1, with_low=False)
        check_range("OHEMCrossEntropyLoss: min_kept", min_kept, low=0, high=1)
        self.threshold = threshold
        self.min_kept = min_kept

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Reduce logits [N, K, H, W] and target [N, H, W] (uint8, 255 is ignored) to a scalar."""
        losses, weights = self.per_pixel(logits, target)
        hard = self._hard(losses.detach() / weights.clamp(min=1e-6), weights > 0)
        return (losses * hard).sum() / self._total(weights * hard)

    def _hard(self, losses: Tensor, labeled: Tensor) -> Tensor:
        limit = losses.new_full((), self.threshold).log().neg()
        most = int(self.min_kept * losses.numel())
        if most > 0:  # the number of labeled pixels, and so of kept ones, stays on the device
            kept = (labeled.sum().double() * self.min_kept).long()
            hardest = losses.masked_fill(~labeled, -torch.inf).flatten().topk(most).values
            least = hardest.gather(0, (kept - 1).clamp(min=0)[None])[0]
            limit = torch.where(kept > 0, torch.minimum(limit, least), limit)
        return (losses >= limit) & labeled


class BoundaryCrossEntropyLoss(CrossEntropyLoss):
    """Average the cross-entropy over the labeled pixels near another class: outlines, and all of thin objects.

    Added to a loss of all pixels, see ``SumLoss``. Without two classes in the batch it is 0.

    Args:
        class_weights: as in :class:`CrossEntropyLoss`.
        width: distance in rows and columns up to which a pixel of another class counts as near.
    Raises:
        UserError: ``width`` is not a whole number from 1.
    """

    def __init__(self, class_weights: Sequence[float] | None = None, *, width: int = 3) -> None:
        super().__init__(class_weights)
        check_whole("BoundaryCrossEntropyLoss: width", width, low=1)
        self.width = width

    def per_pixel(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return weighted losses and weights, both [N, H, W]; pixels that do not count are 0 in both."""
        losses, weights = super().per_pixel(logits, target)
        near = near_boundary(target, self.width)
        return losses * near, weights * near


def near_boundary(target: Tensor, width: int) -> Tensor:
    """Mark the labeled pixels with another class at most ``width`` rows and columns away.

    Args:
        target: [N, H, W] uint8, 255 is ignored and is no other class.
    Returns:
        [N, H, W] bool.
    """
    labeled = target != IGNORE_LABEL
    values = target.float()
    # The highest and the lowest label around; outside of the image, and where ignored, -1 is below all.
    highest = _highest(values.masked_fill(~labeled, -1), width)
    lowest = IGNORE_LABEL - _highest((IGNORE_LABEL - values).masked_fill(~labeled, -1), width)
    return labeled & ((highest > values) | (lowest < values))


def _highest(values: Tensor, width: int) -> Tensor:
    return F.max_pool2d(values[:, None], 2 * width + 1, stride=1, padding=width)[:, 0]
