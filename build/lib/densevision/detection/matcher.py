"""Which anchor answers for which object."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

from densevision.detection.box_coder import BoxCoder


def match_anchors(iou: Tensor, threshold: float = 0.5) -> Tensor:
    """Assign every anchor to a ground-truth box or to background.

    An anchor takes the box it overlaps most, where that is at least the threshold; then every box claims its
    best anchor, whatever the overlap. Example with threshold 0.5: of the anchors with IoU 0.6, 0.4 and 0.1 the
    first matches; with 0.4 and 0.1 alone the 0.4 is claimed.

    Args:
        iou: [G, A] pairwise IoU in 0..1. G may be 0.
        threshold: in 0..1.
    Returns:
        [A] int64, index of the matched box or -1.
    Source: Liu et al. 2016 (SSD), section 2.2.
    Departs: where two boxes claim one anchor, the one that overlaps it more wins, then the lower index; so the
        result does not depend on the device.
    """
    boxes, anchors = iou.shape
    if boxes == 0:
        return torch.full((anchors,), -1, dtype=torch.int64, device=iou.device)
    best_iou, matches = iou.max(dim=0)
    matches = torch.where(best_iou >= threshold, matches, -1)
    claimed_iou, claimed = iou.max(dim=1)
    for box in claimed_iou.argsort(stable=True, descending=True).flip(0).tolist():  # the strongest claim comes last
        matches[claimed[box]] = box
    return matches


def assign_targets(
    anchors: Tensor, boxes: Tensor, labels: Tensor, coder: BoxCoder, threshold: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Compute what every anchor should predict.

    Args:
        anchors: [A, 4] xyxy.
        boxes: [G, 4] xyxy of positive size. G may be 0.
        labels: [G] int64 in 0..K-1.
    Returns:
        columns [A] int64, the logit column: 0 for background, label + 1 else; and deltas [A, 4], 0 for
        background.
    """
    matches = match_anchors(box_iou(boxes, anchors), threshold)
    positive = matches >= 0
    columns = torch.zeros_like(matches)
    columns[positive] = labels[matches[positive]] + 1
    deltas = torch.zeros_like(anchors)
    deltas[positive] = coder.encode(boxes[matches[positive]], anchors[positive])
    return columns, deltas
