"""Region mutual information: a loss that compares how neighboring pixels vary together."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from densevision.segmentation.loss import IGNORE_LABEL
from densevision.structures import check_range, check_whole


class RMILoss(nn.Module):
    """Lower bound of the mutual information of labels and scores, over small regions of a coarse grid.

    Labels and scores are averaged over cells of ``step`` x ``step`` pixels. For one class of one image, each region of
    ``region`` x ``region`` cells is a vector d of labels, and one of scores. The loss is log(det(M + floor) / floor^d)
    / 2d, where M is the covariance of the labels that remains when the scores are known. It is 0 where the
    scores determine the labels, and averaged over the classes that occur in an image. As the only loss it ignores
    classes that do not occur, so that it is added to the cross-entropy, see ``SumLoss``.

    Args:
        step: pixels per side of a cell.
        region: cells per side of a region. An image with fewer is one region, whose loss is 0: nothing varies.
        floor: added to the variances, which run from 0 to 1/4.
    Raises:
        UserError: a value is out of its range.
    Source: Zhao et al. 2019 (Region Mutual Information Loss for Semantic Segmentation), equations 10 to 15.
    Departs: scores are those of a softmax; covariances are means, so that the loss does not depend on the image's size;
        the loss of ``floor`` alone is subtracted. Regions with a cell without labels do not count.
    """

    def __init__(self, step: int = 4, region: int = 3, floor: float = 5e-4) -> None:
        super().__init__()
        check_whole("RMILoss: step", step, low=1)
        check_whole("RMILoss: region", region, low=1)
        check_range("RMILoss: floor", floor, low=0, high=0.25, with_low=False)
        self.step, self.region, self.floor = step, region, floor

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Reduce logits [N, K, H, W] and target [N, H, W] (uint8, 255 is ignored) to a scalar.

        Without a labeled region the result is 0, with zero gradients.
        """
        scores = logits.softmax(1)
        # Each image is computed again for its gradient: the memory is that of one image's regions, not of the batch's.
        parts = [
            checkpoint(self._image, *one, use_reentrant=False, preserve_rng_state=False)
            for one in zip(scores, target, strict=True)
        ]
        found = torch.cat(parts)
        return found.mean().to(logits.dtype) if len(found) else 0 * logits.sum()

    def _image(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the losses of the classes that occur: scores [K, H, W], target [H, W] -> [present]."""
        labeled = target != IGNORE_LABEL
        kinds = target[labeled].long().unique()
        if not len(kinds):
            return scores.new_zeros(0, dtype=torch.float64)
        hits = (target == kinds[:, None, None]).double()  # [present, H, W]
        scores = scores[kinds].double() * labeled
        cells = [F.avg_pool2d(each[None], self._cell(target), ceil_mode=True)[0] for each in (hits, scores)]
        share = F.avg_pool2d(labeled.double()[None], self._cell(target), ceil_mode=True)
        labels, guesses = (self._regions(each / share.clamp(min=1e-6)) for each in cells)  # [present, d, R]
        whole = self._regions(share).amin(1)[0] > 0
        return self._bound(labels[..., whole], guesses[..., whole]) if whole.any() else scores.new_zeros(0)

    def _cell(self, target: Tensor) -> tuple[int, int]:
        height, width = target.shape
        return min(self.step, height), min(self.step, width)

    def _regions(self, maps: Tensor) -> Tensor:
        """[C, h, w] -> [C, d, R], all regions that lie inside."""
        size = (min(self.region, maps.shape[1]), min(self.region, maps.shape[2]))
        return F.unfold(maps[:, None], size)

    def _bound(self, labels: Tensor, scores: Tensor) -> Tensor:
        """[C, d, R], [C, d, R] -> [C]."""
        count, dimensions = labels.shape[-1], labels.shape[-2]
        labels, scores = (each - each.mean(-1, keepdim=True) for each in (labels, scores))
        floor = self.floor * torch.eye(dimensions, dtype=labels.dtype, device=labels.device)
        shared = labels @ scores.mT / count  # [C, d, d]
        known = shared @ torch.linalg.solve(scores @ scores.mT / count + floor, shared.mT)
        left = labels @ labels.mT / count - known
        return (torch.linalg.slogdet(left + floor)[1] / dimensions - math.log(self.floor)) / 2
