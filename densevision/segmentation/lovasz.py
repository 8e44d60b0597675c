"""The Lovász extension of the Jaccard loss: a smooth form of 1 - IoU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from densevision.segmentation.loss import IGNORE_LABEL
from densevision.structures import check_whole


class LovaszSoftmaxLoss(nn.Module):
    """Average the Lovász extension of 1 - IoU over the classes that occur in the batch.

    It measures what mIoU measures: every class counts the same, however few pixels it has. As the only loss it trains
    badly from scratch, so that it is added to the cross-entropy late, see ``SumLoss``.

    Args:
        step: one row and one column of ``step`` are measured: sorting all pixels takes longer than a small network.
    Raises:
        UserError: ``step`` is not a whole number from 1.
    Source: Berman et al. 2018 (The Lovász-Softmax loss), equations 8 to 11.
    """

    def __init__(self, step: int = 4) -> None:
        super().__init__()
        check_whole("LovaszSoftmaxLoss: step", step, low=1)
        self.step = step

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Reduce logits [N, K, H, W] and target [N, H, W] (uint8, 255 is ignored) to a scalar.

        Without a labeled pixel the result is 0, with zero gradients.
        """
        first = min(self.step // 2, *(side - 1 for side in target.shape[-2:]))
        logits, target = (values[..., first :: self.step, first :: self.step] for values in (logits, target))
        labeled = (target != IGNORE_LABEL).flatten()  # [P]
        scores = logits.softmax(1).movedim(1, 0).flatten(1)  # [K, P]
        hits = (torch.arange(len(scores), device=target.device)[:, None] == target.flatten()).long()  # [K, P]
        # Ignored pixels come last, where the gradient is 0 because no pixel of the class follows.
        errors = torch.where(labeled, (hits - scores).abs(), -1.0)
        errors, order = errors.sort(dim=1, descending=True, stable=True)  # stable: ties have one gradient
        losses = (errors * jaccard_gradient(hits.gather(1, order)).to(errors)).sum(1)  # [K]
        present = hits.any(1)
        return torch.where(present, losses, 0.0).sum() / present.sum().clamp(min=1)


def jaccard_gradient(hits: Tensor) -> Tensor:
    """Return by how much each pixel raises 1 - IoU, if the pixels become wrong one after the other.

    Args:
        hits: [K, P] 0 or 1, whether a pixel is of the class; the largest error first. Every class has a pixel.
    Returns:
        [K, P] in 0..1, with the sum 1 in each row.
    """
    total = hits.sum(1, keepdim=True)
    intersection, union = total - hits.cumsum(1), total + (1 - hits).cumsum(1)
    jaccard = 1 - intersection / union
    return torch.diff(jaccard, dim=1, prepend=jaccard.new_zeros(len(hits), 1))
