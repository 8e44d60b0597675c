"""Segmentation heads: R-ASPP and its lighter form LR-ASPP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from densevision.backbones.backbone import Tap
from densevision.backbones.layers import ConvNormAct, hard_sigmoid
from densevision.errors import UserError
from densevision.structures import check_range

# Pooling of the LR-ASPP gate by the stride of its feature: window, (vertical, horizontal) step.
POOLING = {16: (49, (16, 20)), 32: (25, (4, 5))}
_GATES: dict[str, Callable[[Tensor], Tensor]] = {"hsigmoid": hard_sigmoid, "sigmoid": torch.sigmoid}


class SegmentationHead(Protocol):
    """What ``Segmentor`` needs of a head: an ``nn.Module``, built with ``taps``, ``num_classes`` and its own options.

    Four attributes are optional:

    - ``class_layers``: list of the convolutions with one output channel per class; ``init_from`` needs it to start
      from weights of other classes, and an export to leave these layers in float;
    - ``stride``: pixels that a cell of the logits covers, also where the image ends inside a cell; without it, or None,
      the logits are stretched over the image;
    - ``align_corners``: True if logits are upsampled with the centers of the corner pixels in place; default False;
    - ``smallest_batch``: number of images per process that a training needs; default 1.
    """

    def __call__(self, features: Mapping[str, Tensor]) -> Tensor:
        """Map the tapped features to logits [N, K, h, w]."""
        ...


class LRASPPHead(nn.Module):
    """Gate the last feature by its pooled self and add class logits of a finer one.

    The coarser feature is upsampled by the ratio of the strides and cut to the finer one, so that one cell of stride 16
    lies on two of stride 8 in an image of any size, as it does in training crops.

    Args:
        taps: the backbone's taps; ``c3`` (stride 8) and ``c5`` are read.
        num_classes: K, the number of output channels.
        filters: width F of the gated feature; the paper gives 128 and 256.
        pooling: ``"paper"``: windows in steps, cut down to features smaller than one; or ``"global"``.
        gate: ``"hsigmoid"`` after a convolution with bias as in the paper, or torchvision's ``"sigmoid"`` after
            one without.
        bn_eps: epsilon of the head's batch norm.
        stretch: upsample the coarser feature to the size of the finer one, and the logits to that of the image, as
            torchvision does: where a side of the image is not a multiple of the strides, they are shifted.
        align_corners: upsample with the centers of the corner pixels in place, as the authors' release does.
            ``Segmentor`` then upsamples the logits in the same way, and pads images at the bottom and on the right
            with 0 after normalization: sides must be one pixel longer than a multiple of the output stride.
    Raises:
        ValueError: unknown pooling or gate, or a stride of ``c5`` without a published window.
    Source: Howard et al. 2019, section 6.4 and figure 10; the window at stride 32 is of the authors' release.
    """

    def __init__(
        self,
        taps: Mapping[str, Tap],
        num_classes: int,
        *,
        filters: int = 128,
        pooling: str = "paper",
        gate: str = "hsigmoid",
        bn_eps: float = 1e-3,
        stretch: bool = False,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        check_range("model.head.bn_eps", bn_eps, low=0, with_low=False)
        if pooling not in ("paper", "global"):
            raise ValueError(f"pooling must be 'paper' or 'global', not {pooling!r}")
        if gate not in _GATES:
            raise ValueError(f"gate must be 'hsigmoid' or 'sigmoid', not {gate!r}")
        if pooling == "paper" and taps["c5"].stride not in POOLING:
            raise ValueError(f"pooling='paper' needs stride 16 or 32, not {taps['c5'].stride}; use 'global'")
        self.pooling = POOLING[taps["c5"].stride] if pooling == "paper" else None
        self.project = ConvNormAct(taps["c5"].channels, filters, act="relu")
        self.project[1].eps = bn_eps  # type: ignore[assignment]  # a batch norm, which mypy can't see in Sequential
        self.gate = nn.Conv2d(taps["c5"].channels, filters, 1, bias=gate == "hsigmoid")
        self.squash = _GATES[gate]
        self.stride = None if stretch else taps["c3"].stride
        self.ratio = None if stretch or align_corners else taps["c5"].stride // taps["c3"].stride
        self.align_corners = align_corners
        self.high_logits = nn.Conv2d(filters, num_classes, 1)
        self.low_logits = nn.Conv2d(taps["c3"].channels, num_classes, 1)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Map the tapped features to logits [N, K, h, w] at the stride of ``c3``."""
        low, high = features["c3"], features["c5"]
        gate = self.squash(self.gate(self._pool(high)))
        gated = self.project(high) * self._upsample(gate, high.shape[-2:])  # [N, F, h5, w5]
        size = low.shape[-2:]
        whole = size if self.ratio is None else [self.ratio * side for side in high.shape[-2:]]
        logits: Tensor = self.high_logits(self._upsample(gated, whole))
        return cut(logits, size) + self.low_logits(low)

    @property
    def class_layers(self) -> list[nn.Module]:
        """See ``SegmentationHead``."""
        return [self.high_logits, self.low_logits]

    def _upsample(self, feature: Tensor, size: Sequence[int]) -> Tensor:
        return F.interpolate(feature, size=tuple(size), mode="bilinear", align_corners=self.align_corners)

    def _pool(self, feature: Tensor) -> Tensor:
        if self.pooling is None:
            return F.adaptive_avg_pool2d(feature, 1)
        window, stride = self.pooling
        height, width = feature.shape[-2:]
        return F.avg_pool2d(feature, (min(window, height), min(window, width)), stride)


class RASPPHead(nn.Module):
    """Join a 1x1 convolution of the last feature with its image-level average.

    Args:
        taps: the backbone's taps; only ``c5`` is read.
        num_classes: K, the number of output channels.
        filters: width F of both branches; the paper gives 256.
        dropout: share of activations dropped before the classifier.
    Raises:
        UserError: training on one image, whose pooled value batch norm can't normalize.
    Source: Sandler et al. 2018 (MobileNetV2), section 6.3; layers as in the authors' DeepLab release.
    """

    def __init__(self, taps: Mapping[str, Tap], num_classes: int, *, filters: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        channels = taps["c5"].channels
        self.local_branch = ConvNormAct(channels, filters, act="relu")
        self.image_branch = ConvNormAct(channels, filters, act="relu")
        self.join = ConvNormAct(2 * filters, filters, act="relu")
        self.stride = taps["c5"].stride
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Conv2d(filters, num_classes, 1)

    @property
    def class_layers(self) -> list[nn.Module]:
        """See ``SegmentationHead``."""
        return [self.logits]

    @property
    def smallest_batch(self) -> int:
        """Images per process that a training needs; a norm over all processes needs no second one here."""
        return 2 if isinstance(self.image_branch[1], nn.BatchNorm2d) else 1

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Map the tapped features to logits [N, K, h, w] at the stride of ``c5``."""
        feature = features["c5"]
        if self.training and len(feature) < self.smallest_batch:
            raise UserError("R-ASPP trains on 2 images per batch or more; raise train_dataloader.batch_size")
        # Upsampling one cell repeats it, and phones have that operation; they refuse TFLite's BROADCAST_TO.
        image = self.image_branch(F.adaptive_avg_pool2d(feature, 1))
        image = F.interpolate(image, size=feature.shape[-2:], mode="bilinear", align_corners=False)
        joined = self.join(torch.cat([self.local_branch(feature), image], dim=1))
        logits: Tensor = self.logits(self.dropout(joined))
        return logits


def cut(x: Tensor, size: Sequence[int]) -> Tensor:
    """Cut [N, C, H, W] to (height, width) at the bottom and on the right; without an operator if it is as large."""
    return x if x.shape[-2:] == tuple(size) else x[..., : size[0], : size[1]]
