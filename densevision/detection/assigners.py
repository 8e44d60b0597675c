"""Assign anchors by what the network predicts: the dynamic assignment of SimOTA and RTMDet, over SSD's anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from densevision.detection.box_coder import BoxCoder
from densevision.errors import UserError
from densevision.structures import check_range

_TINY = 1e-7  # IoU


@dataclass(frozen=True)
class AnchorGrid:
    """The anchors of a model.

    Attributes:
        anchors: [A, 4] xyxy in input pixels.
        cells: [A, 2] width and height of each anchor's cell in input pixels.
        coder: decodes the deltas.
    """

    anchors: Tensor
    cells: Tensor
    coder: BoxCoder


@dataclass(frozen=True)
class DynamicAssigner:
    """Give each box the anchors whose predictions fit it best, as many as their IoU with it adds up to.

    Candidates of a box are the anchors whose center lies in it, or within ``radius`` cells of its center. Each costs

        (IoU - p)^2 CE(p, IoU)  +  iou_weight * -log IoU  +  10^(distance - 3)

    with the predicted probability p of the box's class, the IoU of the predicted box, and the distance of the anchor's
    center in cells; the probabilities of the other classes count too, with target 0. A box gets the k cheapest, where
    k is the sum of the ``topk`` highest IoU of its candidates, rounded down, at least 1. An anchor that several
    boxes want goes to the one for which it costs least; so a box may get none.

    Args:
        topk: highest number of anchors of a box.
        iou_weight: of the IoU's cost.
        radius: in cells.
    Raises:
        UserError: a value is out of its range.
    Source: Ge et al. 2021 (YOLOX, SimOTA); Lyu et al. 2022 (RTMDet), section 3.3.
    Departs: a cell takes the place of the stride. Equal costs go to the lower index, so that the result does not
        depend on the device.
    """

    topk: int = 13
    iou_weight: float = 3.0
    radius: float = 2.5

    def __post_init__(self) -> None:
        if isinstance(self.topk, bool) or not isinstance(self.topk, int) or self.topk < 1:
            raise UserError(f"assigner.topk is {self.topk!r}; give a whole number from 1")
        check_range("assigner.iou_weight", self.iou_weight, low=0)
        check_range("assigner.radius", self.radius, low=0, with_low=False)

    @torch.no_grad()
    def __call__(
        self, outputs: tuple[Tensor, Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor], grid: AnchorGrid
    ) -> tuple[Tensor, Tensor]:
        """Compute the targets of every anchor.

        Args:
            outputs: logits [N, A, K+1] and deltas [N, A, 4] of the head.
            boxes: [G, 4] xyxy of positive size for each image. G may be 0.
            labels: [G] int64 in 0..K-1 for each image.
            grid: the anchors.
        Returns:
            As ``assign_targets``: the logit columns [N, A], 0 for background, and the deltas [N, A, 4].
        """
        logits, deltas = outputs
        columns = torch.zeros(logits.shape[:2], dtype=torch.int64, device=logits.device)
        targets = torch.zeros_like(deltas)
        predicted = grid.coder.decode(deltas, grid.anchors)
        for image, (own, kinds) in enumerate(zip(boxes, labels, strict=True)):
            if len(own):
                match = self.match(logits[image], predicted[image], (own, kinds), grid)
                positive, index = match >= 0, match.clamp(min=0)
                columns[image] = torch.where(positive, kinds[index] + 1, 0)
                encoded = grid.coder.encode(own[index], grid.anchors)
                targets[image] = torch.where(positive[:, None], encoded, 0.0)
        return columns, targets

    def match(self, logits: Tensor, predicted: Tensor, truth: tuple[Tensor, Tensor], grid: AnchorGrid) -> Tensor:
        """[A, K+1] logits, [A, 4] boxes, boxes [G, 4] and labels [G] of one image -> [A] index of the box or -1."""
        boxes, labels = truth
        distance, candidates = _near(boxes, grid, self.radius)
        iou = box_iou(boxes, predicted)  # [G, A]
        cost = _class_cost(logits[:, 1:], labels, iou)
        cost = cost - self.iou_weight * (iou + _TINY).log() + 10 ** (distance.clamp(max=30) - 3)
        cost = cost.masked_fill(~candidates, torch.inf)
        return _resolve(cost, self._choose(cost, iou.where(candidates, 0.0)) & candidates)

    def _choose(self, cost: Tensor, iou: Tensor) -> Tensor:
        """[G, A], [G, A] -> [G, A] bool: the cheapest anchors of each box; equal ones by index."""
        most = min(self.topk, iou.shape[1])
        count = iou.topk(most, dim=1).values.sum(dim=1, keepdim=True).long().clamp(1, most)  # [G, 1]
        limit = cost.topk(most, dim=1, largest=False).values.gather(1, count - 1)
        cheaper, equal = cost < limit, cost == limit
        return cheaper | equal & (equal.cumsum(dim=1) <= count - cheaper.sum(dim=1, keepdim=True))


def _near(boxes: Tensor, grid: AnchorGrid, radius: float) -> tuple[Tensor, Tensor]:
    """Return [G, A] distance of the centers in cells, and [G, A] bool, whether the anchor is a candidate."""
    centers = (grid.anchors[:, :2] + grid.anchors[:, 2:]) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = ((centers - middle[:, None]) / grid.cells).norm(dim=-1)
    inside = ((centers > boxes[:, None, :2]) & (centers < boxes[:, None, 2:])).all(dim=-1)
    return distance, inside | (distance <= radius)


def _class_cost(logits: Tensor, labels: Tensor, iou: Tensor) -> Tensor:
    """[A, K] logits without background, [G], [G, A] -> [G, A] quality focal loss with the IoU as target."""
    others = logits.sigmoid() ** 2 * F.softplus(logits)  # [A, K], with target 0
    own = logits[:, labels].T  # [G, A]
    fit = (iou - own.sigmoid()) ** 2 * (F.softplus(own) - iou * own)
    return others.sum(dim=1) - others[:, labels].T + fit


def _resolve(cost: Tensor, chosen: Tensor) -> Tensor:
    """[G, A], [G, A] bool -> [A] index of the box with the lowest cost that chose the anchor, or -1."""
    number = len(cost)
    cost = cost.masked_fill(~chosen, torch.inf)
    cheapest = chosen & (cost == cost.amin(dim=0))
    rows = torch.arange(number, device=cost.device)[:, None]
    index = torch.where(cheapest, rows, number).amin(dim=0)
    return torch.where(index < number, index, -1)


def paired_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """[..., 4], [..., 4] xyxy -> [...] IoU of each pair."""
    shared = (torch.minimum(boxes[..., 2:], others[..., 2:]) - torch.maximum(boxes[..., :2], others[..., :2])).clamp(0)
    area, other, both = (sides.prod(dim=-1) for sides in (_sides(boxes), _sides(others), shared))
    return both / (area + other - both).clamp(min=_TINY)


def _sides(boxes: Tensor) -> Tensor:
    return boxes[..., 2:] - boxes[..., :2]
