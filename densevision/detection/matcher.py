"""Match anchors to ground-truth boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import box_iou

from densevision.detection.box_coder import BoxCoder


def match_anchors(iou: Tensor, threshold: float = 0.5) -> Tensor:
    """Assign every anchor to a ground-truth box or to background.

    An anchor matches the box with the highest IoU if that is at least the threshold. Then every box also gets its
    best anchor, whatever the IoU. Example with threshold 0.5: of anchors with IoU 0.6, 0.4 and 0.1 only the first
    matches; of anchors with 0.4 and 0.1 the one with 0.4 matches.

    Args:
        iou: [..., G, A] pairwise IoU in 0..1; a row of -1 is padding. G may be 0.
        threshold: in 0..1.
    Returns:
        [..., A] int64, index of the matched box or -1.
    Source: Liu et al. 2016 (SSD), section 2.2.
    Departs: if two boxes have the same best anchor, the box with the higher IoU gets it, then the one with the lower
        index; so the result does not depend on the device.
    """
    *images, boxes, anchors = iou.shape
    nothing = torch.full((*images, anchors), -1, dtype=torch.int64, device=iou.device)
    if boxes == 0:
        return nothing
    best_iou, matches = iou.max(dim=-2)
    matches = torch.where(best_iou >= threshold, matches, -1)
    own_iou, own_anchor = iou.max(dim=-1)  # [..., G]
    order = own_iou.argsort(dim=-1, stable=True, descending=True).flip(-1)  # the box with the highest IoU comes last
    rank = torch.arange(boxes, device=iou.device).expand_as(order)
    rank = torch.where(own_iou.gather(-1, order) < 0, -1, rank)
    winner = nothing.scatter_reduce(-1, own_anchor.gather(-1, order), rank, "amax")
    return torch.where(winner >= 0, order.gather(-1, winner.clamp(min=0)), matches)


def assign_targets(
    anchors: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], coder: BoxCoder, threshold: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Compute the targets of every anchor, for all images of a batch at once.

    Args:
        anchors: [A, 4] xyxy.
        boxes: [G, 4] xyxy of positive size for each image. G may be 0.
        labels: [G] int64 in 0..K-1 for each image.
        coder: encodes the boxes.
        threshold: as for ``match_anchors``.
    Returns:
        The logit columns [N, A] int64, 0 for background, else label + 1; and the deltas [N, A, 4], 0 for background.
    """
    padded = pad_sequence(list(boxes), batch_first=True)  # [N, G, 4]
    columns = pad_sequence([label + 1 for label in labels], batch_first=True)  # [N, G], 0 is padding
    if not columns.shape[1]:
        return columns.new_zeros(len(boxes), len(anchors)), anchors.new_zeros(len(boxes), *anchors.shape)
    iou = box_iou(padded.flatten(0, 1), anchors).unflatten(0, columns.shape)
    matches = match_anchors(iou.where(columns[..., None] > 0, -1.0), threshold)
    positive, index = matches >= 0, matches.clamp(min=0)
    deltas = coder.encode(padded.gather(1, index[..., None].expand(-1, -1, 4)), anchors)
    return torch.where(positive, columns.gather(1, index), 0), torch.where(positive[..., None], deltas, 0.0)
