"""What SSDLite adds to a backbone: extra feature maps, and predictors on every map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from densevision.backbones.layers import Conv2d, ConvNormAct, Padding

EXTRA_DEPTHS = (512, 256, 256, 128)


class DetectionHead(Protocol):
    """What ``SSDLite`` needs of a head: an ``nn.Module``, built by keyword with

    Args:
        in_channels: of each map.
        num_anchors: per cell of each map.
        num_classes: K, foreground only; the logits have K + 1 columns, column 0 is background.
    Attributes:
        class_layers: the convolutions, one per map, with anchors x (K + 1) output channels; optional, as the next one:
            their biases start at the background, ``init_from`` copies the columns of shared classes, and an export
            needs both.
        box_layers: the convolutions, one per map, with anchors x 4 output channels.
        columns: output channels per anchor of the class layers, which the head reads when it runs.
    """

    def __call__(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps [N, C, h, w] -> logits [N, A, columns], deltas [N, A, 4]; anchors by map, row, column, shape."""
        ...


class ExtraLayers(nn.ModuleList):
    """Four more feature maps, each half the size of the one before.

    Another class in its place is built with the same arguments, has ``out_channels`` (of each map) and returns a list
    of maps, each half the size of the one before, rounded up.

    Args:
        in_channels: of the map that the first one is made from, C5.
        width: multiplier of the channels.
        padding: of the strided convolutions.
        depths: (middle, output) channels of each map, in place of the source's times ``width``.
    Source: the authors' SSDLite configuration: 1x1 to half the depth, 3x3 depthwise of stride 2, 1x1 to the depth.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: float = 1.0,
        padding: Padding = "symmetric",
        depths: Sequence[tuple[int, int]] | None = None,
    ):
        super().__init__()
        if depths is None:
            outputs = [max(16, int(depth * width)) for depth in EXTRA_DEPTHS]
            depths = [(depth // 2, depth) for depth in outputs]
        self.out_channels = [out_channels for _, out_channels in depths]
        for middle, out_channels in depths:
            self.append(
                nn.Sequential(
                    ConvNormAct(in_channels, middle, act="relu6"),
                    ConvNormAct(middle, middle, 3, stride=2, groups=middle, act="relu6", padding=padding),
                    ConvNormAct(middle, out_channels, act="relu6"),
                )
            )
            in_channels = out_channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, C, h, w] -> four maps [N, depth, ceil(h / 2^i), ceil(w / 2^i)], i = 1..4."""
        maps = []
        for layer in self:
            x = layer(x)
            maps.append(x)
        return maps


class SSDLiteHead(nn.Module):
    """Class logits and box deltas for every anchor of every map, by separable convolutions.

    Args:
        in_channels: of each map.
        num_anchors: per cell of each map.
        num_classes: K, foreground only; the logits have K + 1 columns, column 0 is background.
    Attributes:
        class_layers, box_layers, columns: see ``DetectionHead``.
    Source: Sandler et al. 2018 (MobileNetV2), section 6.2; batch norm and ReLU6 after the depthwise layer.
    """

    def __init__(self, in_channels: Sequence[int], num_anchors: Sequence[int], num_classes: int):
        super().__init__()
        self.columns = num_classes + 1
        pairs = list(zip(in_channels, num_anchors, strict=True))
        self.classify = nn.ModuleList(_predictor(channels, n * self.columns) for channels, n in pairs)
        self.regress = nn.ModuleList(_predictor(channels, n * 4) for channels, n in pairs)

    @property
    def class_layers(self) -> list[nn.Conv2d]:
        """The last layers of the class predictors."""
        return _last_layers(self.classify)

    @property
    def box_layers(self) -> list[nn.Conv2d]:
        """The last layers of the box predictors."""
        return _last_layers(self.regress)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps [N, C, h, w] -> logits [N, A, K+1], deltas [N, A, 4]; anchors by map, row, column, shape."""
        logits = [_per_anchor(layer(x), self.columns) for layer, x in zip(self.classify, features, strict=True)]
        deltas = [_per_anchor(layer(x), 4) for layer, x in zip(self.regress, features, strict=True)]
        return torch.cat(logits, dim=1), torch.cat(deltas, dim=1)


def _predictor(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        ConvNormAct(in_channels, in_channels, 3, groups=in_channels, act="relu6"),
        Conv2d(in_channels, out_channels, bias=True),
    )


def _last_layers(predictors: Any) -> list[nn.Conv2d]:
    return [predictor[-1] for predictor in predictors]


def _per_anchor(x: Tensor, columns: int) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, columns)  # [N, h * w * anchors, columns]
