"""The loss of a detector against a larger one with the same anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from densevision.errors import UserError
from densevision.structures import check_range

if TYPE_CHECKING:
    from densevision.data.samples import DetSample
    from densevision.detection.model import SSDLite

_TINY = 1e-6  # of a score: beyond it there is no gradient


@dataclass(frozen=True)
class AnchorDistillation:
    """Follow the scores and the boxes of a teacher, anchor by anchor.

    The scores of the foreground classes follow with the cross-entropy, weighted by the distance to the teacher's score
    to the power of ``beta``: the many anchors on which both agree count nothing. The boxes follow with the model's own
    box loss, weighted by the teacher's highest score, where that is at least ``min_score``. Both are divided by the sum
    of the highest scores of these anchors.

    Args:
        weight: of the scores' loss, next to that of the ground truth.
        box_weight: factor of the boxes' loss, next to that of the ground truth; 0 is none.
        beta: the higher, the less an anchor counts whose score is near the teacher's; at least 1.
        min_score: in 0..1.
    Raises:
        UserError: a value is out of its range.
    Source: the weighting is that of Li et al. 2020 (Generalized Focal Loss), equation 5.
    """

    weight: float = 1.0
    box_weight: float = 1.0
    beta: float = 2.0
    min_score: float = 0.3

    def __post_init__(self) -> None:
        check_range("teacher.loss.weight", self.weight, low=0, with_low=False)
        check_range("teacher.loss.box_weight", self.box_weight, low=0)
        check_range("teacher.loss.beta", self.beta, low=1)
        check_range("teacher.loss.min_score", self.min_score, low=0, high=1, with_low=False)

    def check(self, model: SSDLite, teacher: SSDLite, origin: str) -> None:
        """Check that both have the same anchors.

        Args:
            origin: of the teacher, for messages.
        Raises:
            UserError: they have not.
        """
        if teacher.input_size != model.input_size:
            raise UserError(
                f"teacher: {origin} has model.input_size={teacher.input_size}, the model {model.input_size}; "
                "train one of them at the other's"
            )
        ours, theirs = model.anchors, teacher.anchors.to(model.anchors.device)
        if ours.shape != theirs.shape or not torch.allclose(ours, theirs, atol=1e-3):
            raise UserError(
                f"teacher: {origin} has other anchors ({len(theirs)}, the model {len(ours)}); "
                "give both the same model.anchors, and backbones of the same strides"
            )

    def targets(self, teacher: SSDLite, images: Tensor, columns: Sequence[int]) -> tuple[Tensor, Tensor]:
        """[N, 3, *input_size] -> the teacher's scores [N, A, K] of the model's classes, and its boxes [N, A, 4].

        Args:
            columns: label of the teacher for each class of the model.
        """
        logits, deltas = teacher.forward_head(images)
        scores = teacher.loss_cls.scores(logits.float())[..., list(columns)]
        return scores, teacher.coder.decode(deltas.float(), teacher.anchors)

    def __call__(
        self,
        model: SSDLite,
        outputs: tuple[Tensor, Tensor],
        targets: tuple[Tensor, Tensor],
        samples: Sequence[DetSample] = (),
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Compare the outputs of the head with the targets.

        Args:
            outputs: logits [N, A, K+1] and deltas [N, A, 4].
            targets: from ``targets``.
            samples: are not used.
        Returns:
            The summed losses ``teacher_cls`` and ``teacher_box``, and the sum of the weights.
        """
        scores, boxes = targets
        logits, deltas = (values.to(scores) for values in outputs)  # under autocast: half precision
        highest = scores.amax(dim=-1)  # [N, A]
        certain = highest >= self.min_score
        own = model.loss_cls.scores(logits)
        losses = F.binary_cross_entropy_with_logits(own.logit(eps=_TINY), scores, reduction="none")
        sums = dict(teacher_cls=self.weight * ((scores - own).abs() ** self.beta * losses).sum())
        if self.box_weight:
            wanted = model.coder.encode(boxes, model.anchors)
            sums["teacher_box"] = self.box_weight * model.box_loss(deltas, wanted, certain.long(), highest)
        return sums, (highest * certain).sum()
