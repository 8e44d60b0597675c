"""CCC2 of the paper's Table 8: ESPNet with concentrated-comprehensive convolutions in place of dilated ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from densevision.backbones.layers import BatchNorm2d, Conv2d
from densevision.segmentation.comparison.espnet_v1 import ESPNetDecoder, ESPNetEncoder

DILATIONS = (2, 3, 7, 13)


class ConcentratedConvolution(nn.Sequential):
    """Gather the neighborhood depthwise in one column and one row, then filter it with dilation, then mix channels.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        dilation: at least 2. Column and row are 2 * dilation - 1 long, so that no pixel between the taps of the
            dilated filter is lost.
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int):
        length = 2 * dilation - 1
        super().__init__(
            _line(in_channels, (length, 1)),
            BatchNorm2d(in_channels),
            nn.PReLU(in_channels),
            _line(in_channels, (1, length)),
            BatchNorm2d(in_channels),
            Conv2d(in_channels, in_channels, 3, dilation=dilation, groups=in_channels),
            Conv2d(in_channels, out_channels),
        )


class ConcentratedPyramid(nn.Module):
    """Reduce, filter by four concentrated-comprehensive convolutions at once, and join the branches.

    Args:
        in_channels: of the input.
        out_channels: of the output; the first branch has what a division by four leaves over. Of fewer than four, each
            gets a branch.
        stride: 1 reduces by a 1x1 convolution, 2 by a 3x3 one.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        dilations = DILATIONS[:out_channels]
        narrow = out_channels // len(dilations)
        first = out_channels - (len(dilations) - 1) * narrow
        self.reduce = Conv2d(in_channels, narrow, 2 * stride - 1, stride=stride)
        self.branches = nn.ModuleList(
            ConcentratedConvolution(narrow, narrow if index else first, dilation)
            for index, dilation in enumerate(dilations)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        reduced = self.reduce(x)
        return torch.cat([branch(reduced) for branch in self.branches], 1)


class CCC2Encoder(ESPNetEncoder):
    """ESPNet's encoder with concentrated-comprehensive convolutions.

    Source: Park et al. 2018 (Concentrated-Comprehensive Convolutions), section 3. The paper's row was never published
        as a configuration; these are the dilations of the published network whose multiply-adds come nearest.
    """

    pyramid = ConcentratedPyramid

    @staticmethod
    def make_pool() -> nn.Module:
        """Build what halves the image."""
        return nn.AvgPool2d(2, ceil_mode=True)


class CCC2Decoder(ESPNetDecoder):
    """ESPNet's decoder with concentrated-comprehensive convolutions."""

    pyramid = ConcentratedPyramid


def _line(channels: int, kernel: tuple[int, int]) -> nn.Conv2d:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels, bias=False)
