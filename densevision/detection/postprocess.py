"""From dense scores to a short list of detections."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms, nms

from densevision.structures import Detections, PostProcess

__all__ = ["PostProcess", "select_detections"]


def select_detections(boxes: Tensor, scores: Tensor, postprocess: PostProcess) -> Detections:
    """Keep the best boxes of one image, by non-maximum suppression within each class or across all.

    Args:
        boxes: [A, 4] xyxy.
        scores: [A, K] in 0..1.
    Returns:
        At most ``max_detections``, by falling score.
    """
    if postprocess.nms == "across-classes":
        return _select_across(boxes, scores, postprocess)
    top, anchors = scores.topk(min(postprocess.candidates, len(scores)), dim=0)  # [C, K]
    keep = top > postprocess.score_threshold
    labels = torch.arange(scores.shape[1], device=scores.device).expand_as(top)[keep]
    candidates, candidate_scores = boxes[anchors[keep]], top[keep]
    kept = batched_nms(candidates, candidate_scores, labels, postprocess.iou_threshold)
    kept = kept[: postprocess.max_detections]
    return Detections(candidates[kept], candidate_scores[kept], labels[kept])


def _select_across(boxes: Tensor, scores: Tensor, postprocess: PostProcess) -> Detections:
    best, labels = scores.max(dim=1)  # [A]
    anchors = (best > postprocess.score_threshold).nonzero()[:, 0]
    kept = anchors[nms(boxes[anchors], best[anchors], postprocess.iou_threshold)[: postprocess.max_detections]]
    return Detections(boxes[kept], best[kept], labels[kept])
