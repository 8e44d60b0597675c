"""From dense scores to a short list of detections."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from densevision.structures import Detections


@dataclass(frozen=True)
class PostProcess:
    """What counts as a detection.

    Attributes:
        score_threshold: lowest score, in 0..1.
        iou_threshold: of two boxes of one class that overlap more, the weaker one goes.
        max_detections: per image.
        candidates: per class, before non-maximum suppression.
    """

    score_threshold: float = 0.01
    iou_threshold: float = 0.6
    max_detections: int = 100
    candidates: int = 400


def select_detections(boxes: Tensor, scores: Tensor, rules: PostProcess) -> Detections:
    """Keep the best boxes of one image, by non-maximum suppression within each class.

    Args:
        boxes: [A, 4] xyxy.
        scores: [A, K] in 0..1.
    Returns:
        At most ``max_detections``, by falling score.
    """
    top, anchors = scores.topk(min(rules.candidates, len(scores)), dim=0)  # [C, K]
    keep = top > rules.score_threshold
    labels = torch.arange(scores.shape[1], device=scores.device).expand_as(top)[keep]
    candidates, candidate_scores = boxes[anchors[keep]], top[keep]
    kept = batched_nms(candidates, candidate_scores, labels, rules.iou_threshold)[: rules.max_detections]
    return Detections(candidates[kept], candidate_scores[kept], labels[kept])
