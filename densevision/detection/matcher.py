"""Which anchor answers for which object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import box_iou

from densevision.detection.box_coder import BoxCoder


def match_anchors(iou: Tensor, threshold: float = 0.5) -> Tensor:
    """Assign every anchor to a ground-truth box or to background.

    An anchor takes the box it overlaps most, where that is at least the threshold; then every box claims its
    best anchor, whatever the overlap. Example with threshold 0.5: of the anchors with IoU 0.6, 0.4 and 0.1 the
    first matches; with 0.4 and 0.1 alone the 0.4 is claimed.

    Args:
        iou: [..., G, A] pairwise IoU in 0..1; a row of -1 is no box. G may be 0.
        threshold: in 0..1.
    Returns:
        [..., A] int64, index of the matched box or -1.
    Source: Liu et al. 2016 (SSD), section 2.2.
    Departs: where two boxes claim one anchor, the one that overlaps it more wins, then the lower index; so the
        result does not depend on the device.
    """
    *images, boxes, anchors = iou.shape
    nothing = torch.full((*images, anchors), -1, dtype=torch.int64, device=iou.device)
    if boxes == 0:
        return nothing
    best_iou, matches = iou.max(dim=-2)
    matches = torch.where(best_iou >= threshold, matches, -1)
    claimed_iou, claimed = iou.max(dim=-1)
    order = claimed_iou.argsort(dim=-1, stable=True, descending=True).flip(-1)  # the strongest claim comes last
    strength = torch.arange(boxes, device=iou.device).expand_as(order)
    strength = torch.where(claimed_iou.gather(-1, order) < 0, -1, strength)
    winner = nothing.scatter_reduce(-1, claimed.gather(-1, order), strength, "amax")
    return torch.where(winner >= 0, order.gather(-1, winner.clamp(min=0)), matches)


def assign_targets(
    anchors: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], coder: BoxCoder, threshold: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Compute what every anchor should predict, for all images of a batch at once.

    Args:
        anchors: [A, 4] xyxy.
        boxes: of each image [G, 4] xyxy of positive size. G may be 0.
        labels: of each image [G] int64 in 0..K-1.
    Returns:
        columns [N, A] int64, the logit column: 0 for background, label + 1 else; and deltas [N, A, 4], 0 for
        background.
    """
    padded = pad_sequence(list(boxes), batch_first=True)  # [N, G, 4]
    columns = pad_sequence([one + 1 for one in labels], batch_first=True)  # [N, G], 0 where there is no box
    if not columns.shape[1]:
        return columns.new_zeros(len(boxes), len(anchors)), anchors.new_zeros(len(boxes), *anchors.shape)
    iou = box_iou(padded.flatten(0, 1), anchors).unflatten(0, columns.shape)
    matches = match_anchors(iou.where(columns[..., None] > 0, -1.0), threshold)
    positive, index = matches >= 0, matches.clamp(min=0)
    deltas = coder.encode(padded.gather(1, index[..., None].expand(-1, -1, 4)), anchors)
    return torch.where(positive, columns.gather(1, index), 0), torch.where(positive[..., None], deltas, 0.0)
