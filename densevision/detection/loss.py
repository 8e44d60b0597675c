"""The losses of SSDLite: the authors' focal loss, softmax with hard negatives, IoU as target, and IoU of boxes.

Those of classes take [N, A, K+1] logits whose column 0 is background, and convert logits to scores for inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from densevision.errors import UserError
from densevision.structures import check_range

_TINY = 1e-7  # area and squared length, as of torchvision


def _giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """[..., 4], [..., 4] xyxy -> [...] 1 - GIoU; torchvision's operator selects by a mask, and so waits."""
    shared, union, (low, high) = _overlap(boxes, targets)
    hull = (high - low).prod(dim=-1)
    return 1 - shared / (union + _TINY) + (hull - union) / (hull + _TINY)


def _diou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """[..., 4], [..., 4] xyxy -> [...] 1 - DIoU."""
    shared, union, (low, high) = _overlap(boxes, targets)
    shift = (boxes[..., :2] + boxes[..., 2:] - targets[..., :2] - targets[..., 2:]) / 2
    diagonal = ((high - low) ** 2).sum(dim=-1) + _TINY
    return 1 - shared / (union + _TINY) + (shift**2).sum(dim=-1) / diagonal


def _overlap(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Return the shared area and the union, [...], and the corners of the hull, [..., 2] each."""
    sides = torch.minimum(boxes[..., 2:], targets[..., 2:]) - torch.maximum(boxes[..., :2], targets[..., :2])
    shared = sides.clamp(min=0).prod(dim=-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(dim=-1) for each in (boxes, targets)]
    hull = torch.minimum(boxes[..., :2], targets[..., :2]), torch.maximum(boxes[..., 2:], targets[..., 2:])
    return shared, areas[0] + areas[1] - shared, hull


_IOU_LOSSES = dict(giou=_giou_loss, diou=_diou_loss)


def box_loss(deltas: Tensor, targets: Tensor, columns: Tensor, quality: Tensor | None = None) -> Tensor:
    """Sum smooth L1 (delta 1) over the matched anchors: [N, A, 4], [N, A, 4], [N, A] -> scalar.

    Args:
        quality: [N, A] weights of the anchors; None is 1.
    """
    losses = F.smooth_l1_loss(deltas, targets, reduction="none").sum(dim=-1)  # [N, A]
    return _sum_where(columns > 0, losses if quality is None else losses * quality)


def _sum_where(chosen: Tensor, losses: Tensor) -> Tensor:
    """Sum some of the losses. To select them by a mask would wait for the device, which knows their number."""
    return torch.where(chosen, losses, 0.0).sum()


@dataclass(frozen=True)
class IoULoss:
    """GIoU or DIoU loss on decoded boxes, in place of smooth L1 on the deltas.

    Args:
        kind: "giou" or "diou".
        weight: of the loss, next to that of the classes.
    Raises:
        UserError: a value is out of its range.
    Source: Rezatofighi et al. 2019 (GIoU); Zheng et al. 2020 (DIoU).
    """

    kind: str = "giou"
    weight: float = 2.0

    def __post_init__(self) -> None:
        if self.kind not in _IOU_LOSSES:
            raise UserError(f"box_loss.kind is {self.kind!r}; give {' or '.join(map(repr, _IOU_LOSSES))}")
        check_range("box_loss.weight", self.weight, low=0, with_low=False)

    def __call__(self, boxes: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """[..., 4] and [..., 4] xyxy boxes, [...] weights or None for 1 -> summed scalar."""
        losses = _IOU_LOSSES[self.kind](boxes, targets)
        return losses.sum() if weights is None else (losses * weights).sum()


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
        easiest = torch.finfo(wrong.dtype).tiny  # at 0, the gradient of a gamma below 1 would be infinite
        losses = wrong.sigmoid().clamp(min=easiest) ** self.gamma * F.softplus(wrong)
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
        return _sum_where(positive | (rank < negatives), losses)

    def scores(self, logits: Tensor) -> Tensor:
        """[..., K+1] logits -> [..., K] scores in 0..1 of the foreground classes."""
        return logits.softmax(dim=-1)[..., 1:]


@dataclass(frozen=True)
class QualityFocalLoss:
    """Sigmoid focal loss whose target is the IoU of the predicted box, so that scores rank boxes by their quality.

    The target of a matched anchor is its quality q in the column of its class, and 1 - q in that of the background.

    Args:
        beta: the higher, the less an anchor counts whose score is near its target; at least 1.
        box_weight: weight of the smooth L1 loss, as for ``FocalLoss``; ``IoULoss`` has its own.
    Raises:
        UserError: a value is out of its range.
    Source: Li et al. 2020 (Generalized Focal Loss), equation 5.
    Departs: there is a column for the background, as in all losses here.
    """

    beta: float = 2.0
    box_weight: float = 0.25
    prior_logit = 4.6  # as of FocalLoss
    uses_quality = True

    def __post_init__(self) -> None:
        check_range("loss.beta", self.beta, low=1)
        check_range("loss.box_weight", self.box_weight, low=0, with_low=False)

    def __call__(self, logits: Tensor, columns: Tensor, quality: Tensor) -> Tensor:
        """[N, A, K+1] logits, [N, A] target columns, [N, A] quality in 0..1 of matched anchors -> summed scalar."""
        share = torch.where(columns > 0, quality, 0.0)[..., None]
        background = torch.zeros_like(logits)
        background[..., 0] = 1
        target = background * (1 - share) + torch.zeros_like(logits).scatter(-1, columns[..., None], share)
        losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return ((target - logits.sigmoid()).abs() ** self.beta * losses).sum()

    def scores(self, logits: Tensor) -> Tensor:
        """[..., K+1] logits -> [..., K] scores in 0..1 of the foreground classes."""
        return logits[..., 1:].sigmoid()
