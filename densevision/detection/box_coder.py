"""Encode boxes as offsets from anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_convert

from densevision.errors import UserError
from densevision.structures import check_range

_MAX_LOG = math.log(1000 / 16)  # limits a box to 62.5 times its anchor, so that no prediction overflows


@dataclass(frozen=True)
class BoxCoder:
    """Encode and decode with ``decode(encode(boxes, anchors), anchors) == boxes``.

    A delta is (dx, dy, dw, dh): the shift of the center in anchor widths and heights, and the logarithm of the
    size ratio, each times its weight.

    Args:
        weights: positive weights of dx, dy, dw and dh.
    Raises:
        UserError: they are not four positive numbers.
    Source: Ren et al. 2015; weights of the authors' SSDLite configuration.
    """

    weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)

    def __post_init__(self) -> None:
        if isinstance(self.weights, str) or not isinstance(self.weights, Sequence) or len(self.weights) != 4:
            raise UserError(f"coder.weights is {self.weights!r}; give four numbers, for dx, dy, dw and dh")
        for weight in self.weights:
            check_range("a number in coder.weights", weight, low=0, with_low=False)
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))

    def encode(self, boxes: Tensor, anchors: Tensor) -> Tensor:
        """[..., 4] xyxy boxes of positive size, [..., 4] xyxy anchors -> [..., 4] deltas."""
        box, anchor = _to_cxcywh(boxes), _to_cxcywh(anchors)
        shift = (box[..., :2] - anchor[..., :2]) / anchor[..., 2:]
        log_ratio = (box[..., 2:] / anchor[..., 2:]).log()
        return torch.cat([shift, log_ratio], dim=-1) * self._weights_like(boxes)

    def decode(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """[..., A, 4] deltas, [A, 4] xyxy anchors -> [..., A, 4] xyxy boxes, not clipped to the image.

        Departs: the size ratio is clamped to 62.5.
        """
        anchor = _to_cxcywh(anchors)
        deltas = deltas / self._weights_like(deltas)
        center = deltas[..., :2] * anchor[..., 2:] + anchor[..., :2]
        half = deltas[..., 2:].clamp(max=_MAX_LOG).exp() * anchor[..., 2:] / 2
        return torch.cat([center - half, center + half], dim=-1)

    def _weights_like(self, tensor: Tensor) -> Tensor:
        weights = torch.tensor(self.weights, dtype=tensor.dtype)
        return weights.to(tensor.device, non_blocking=True)  # a blocking copy waits for the device


def _to_cxcywh(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "xyxy", "cxcywh")
