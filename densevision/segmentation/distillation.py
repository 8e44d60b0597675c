"""The loss of a segmentation model against a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from densevision.segmentation.loss import IGNORE_LABEL
from densevision.structures import check_range, check_whole

if TYPE_CHECKING:
    from densevision.data.samples import SegSample
    from densevision.segmentation.model import Segmentor


class PixelDistillation(nn.Module):
    """Follow a teacher's distribution over the classes in each labeled pixel: Kullback-Leibler divergence.

    Args:
        weight: of the loss, next to that of the labels.
        temperature: divides the logits of both; above 1, classes of low probability in the teacher count more. The
            loss is multiplied by its square, so that the size of the gradient does not depend on it.
        step: one row and one column of ``step`` are measured: the rest would add little.
    Raises:
        UserError: a value is out of its range.
    Source: Hinton et al. 2015 (Distilling the Knowledge in a Neural Network), section 2.
    """

    def __init__(self, weight: float = 1.0, temperature: float = 2.0, step: int = 4) -> None:
        super().__init__()
        check_range("teacher.loss.weight", weight, low=0, with_low=False)
        check_range("teacher.loss.temperature", temperature, low=0, with_low=False)
        check_whole("teacher.loss.step", step, low=1)
        self.weight, self.temperature, self.step = float(weight), float(temperature), step

    def check(self, model: Segmentor, teacher: Segmentor, origin: str) -> None:
        """Accept every teacher: the logits of both are resized to the input."""

    def targets(self, teacher: Segmentor, images: Tensor, columns: Sequence[int]) -> Tensor:
        """[N, 3, H, W] -> the teacher's logits [N, K, h, w] of the model's classes, in the pixels that are measured.

        Args:
            columns: label of the teacher for each class of the model.
        """
        return self._thin(teacher.logits(images)[:, list(columns)]).float()

    def forward(
        self, model: Segmentor, outputs: Tensor, targets: Tensor, samples: Sequence[SegSample]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Compare logits [N, K, H, W] with the targets.

        Args:
            model: is not used.
            targets: from ``targets``.
            samples: with the labels; ignored pixels do not count.
        Returns:
            The summed loss ``teacher``, and the number of pixels.
        """
        labels = torch.cat([sample.gt.labels for sample in samples])  # [N, H, W]
        labeled = self._thin(labels) != IGNORE_LABEL
        measured = self._thin(outputs).to(targets)  # under autocast: half precision
        ours, theirs = ((logits / self.temperature).log_softmax(1) for logits in (measured, targets))
        losses = (theirs.exp() * (theirs - ours)).sum(1)  # [N, h, w]
        scale = self.weight * self.temperature**2
        return dict(teacher=scale * losses[labeled].sum()), labeled.sum().float()

    def _thin(self, values: Tensor) -> Tensor:
        first = min(self.step // 2, *(side - 1 for side in values.shape[-2:]))
        return values[..., first :: self.step, first :: self.step]
