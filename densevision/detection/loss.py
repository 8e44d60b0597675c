"""The two losses of SSDLite: the authors' focal loss, and softmax with hard negative mining.

Both take [N, A, K+1] logits whose column 0 is background, and both convert logits to scores for inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from densevision.structures import check_range


def box_loss(deltas: Tensor, targets: Tensor, columns: Tensor) -> Tensor:
    """Sum smooth L1 (delta 1) over the matched anchors: [N, A, 4], [N, A, 4], [N, A] -> scalar."""
    positive = columns > 0
    return F.smooth_l1_loss(deltas[positive], targets[positive], reduction="sum")


@dataclass(frozen=True)
class FocalLoss:
    """Sigmoid focal loss over all anchors; the authors' choice.

    Args:
        alpha: weight of the target's column, in 0..1; the other columns have 1 - alpha.
        gamma: 0 is plain cross-entropy; the higher, the less an easy anchor counts.
        box_weight: weight of the box loss; 1/4, as the authors average over the four deltas.
    Raises:
        UserError: a value is out of its range.
    Source: Lin et al. 2017; alpha and gamma of the authors' SSDLite configuration.
    """

    alpha: float = 0.75
    gamma: float = 2.0
    box_weight: float = 0.25
    prior_logit = 4.6  # sigmoid(-4.6) = 0.01: at the start every anchor is predicted as background

    def __post_init__(self) -> None:
        check_range("loss.alpha", self.alpha, low=0, high=1)
        check_range("loss.gamma", self.gamma, low=0)
        check_range("loss.box_weight", self.box_weight, low=0, with_low=False)

    def __call__(self, logits: Tensor, columns: Tensor) -> Tensor:
        """[N, A, K+1] logits, [N, A] target columns -> summed scalar."""
        # torchvision's operator needs one-hot targets and reads the logits more often.
        target = columns[..., None]
        wrong = logits.scatter(-1, target, -logits.gather(-1, target))  # high where the prediction is wrong
        losses = wrong.sigmoid() ** self.gamma * F.softplus(wrong)
        return (1 - self.alpha) * losses.sum() + (2 * self.alpha - 1) * losses.gather(-1, target).sum()

    def scores(self, logits: Tensor) -> Tensor:
        """[..., K+1] logits -> [..., K] scores in 0..1 of the foreground classes."""
        return logits[..., 1:].sigmoid()


@dataclass(frozen=True)
class SoftmaxLoss:
    """Softmax cross-entropy over the matched anchors and the hardest negatives; torchvision's choice.

    Args:
        negatives_per_positive: number of negatives of an image per matched anchor.
        min_negatives: minimum number of negatives of an image, so that images without objects count as background.
        box_weight: weight of the box loss; 1, as SSD sums over the four deltas.
    Raises:
        UserError: a value is out of its range.
    Source: Liu et al. 2016 (SSD), section 2.2.
    """

    negatives_per_positive: int = 3
    min_negatives: int = 10
    box_weight: float = 1.0
    prior_logit = 0.0

    def __post_init__(self) -> None:
        check_range("loss.negatives_per_positive", self.negatives_per_positive, low=0)
        check_range("loss.min_negatives", self.min_negatives, low=0)
        check_range("loss.box_weight", self.box_weight, low=0, with_low=False)

    def __call__(self, logits: Tensor, columns: Tensor) -> Tensor:
        """[N, A, K+1] logits, [N, A] target columns -> summed scalar."""
        losses = F.cross_entropy(logits.transpose(1, 2), columns, reduction="none")  # [N, A]
        positive = columns > 0
        negatives = (positive.sum(dim=1, keepdim=True) * self.negatives_per_positive).clamp(min=self.min_negatives)
        hardness = losses.detach().masked_fill(positive, -torch.inf)
        rank = hardness.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        return losses[positive | (rank < negatives)].sum()

    def scores(self, logits: Tensor) -> Tensor:
        """[..., K+1] logits -> [..., K] scores in 0..1 of the foreground classes."""
        return logits.softmax(dim=-1)[..., 1:]
