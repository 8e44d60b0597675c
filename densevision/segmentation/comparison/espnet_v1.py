"""ESPNet, the "ESPNetv1" of the paper's Table 8: spatial pyramids of dilated convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from densevision.backbones.backbone import Tap
from densevision.backbones.layers import BatchNorm2d, Conv2d
from densevision.segmentation.comparison.layers import conv_norm_prelu, crop_to, initialize, norm_prelu

DILATIONS = (1, 2, 4, 8, 16)
STEM = 16


class SpatialPyramid(nn.Module):
    """Reduce, filter with five dilations at once, and join the running sums of the branches.

    Args:
        in_channels: of the input.
        out_channels: of the output; the branch without dilation has what a division by five leaves over. Of fewer
            than five, as a decoder for few classes has, each gets a branch, and the largest dilations are left out.
        stride: 1 reduces by a 1x1 convolution, 2 by a 3x3 one.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        dilations = DILATIONS[:out_channels]
        narrow = out_channels // len(dilations)
        first = out_channels - (len(dilations) - 1) * narrow
        self.reduce = Conv2d(in_channels, narrow, 2 * stride - 1, stride=stride)
        self.branches = nn.ModuleList(
            Conv2d(narrow, first if dilation == 1 else narrow, 3, dilation=dilation) for dilation in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        reduced = self.reduce(x)
        outputs = [branch(reduced) for branch in self.branches]
        for index in range(2, len(outputs)):  # the branch without dilation is not part of the sums
            outputs[index] = outputs[index] + outputs[index - 1]
        return torch.cat(outputs, 1)


class PyramidBlock(nn.Module):
    """A pyramid, the input added to it unless the sizes differ, batch norm and PReLU."""

    def __init__(self, pyramid: nn.Module, channels: int, *, residual: bool):
        super().__init__()
        self.pyramid, self.residual = pyramid, residual
        self.act = norm_prelu(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.pyramid(x)
        return self.act(x + out if self.residual else out)


class ESPNetEncoder(nn.Module):
    """Three levels of strides 2, 4 and 8, each joined with the image reduced to its size.

    Args:
        repeats: blocks after the first one of the second and the third level.
    Attributes:
        taps: "c0", the image, and "c1", "c2", "c3", the levels; ``ESPNetDecoder`` reads them.
    Source: Mehta et al. 2018 (ESPNet), section 3 and figure 4; the repeats are those of the published segmentation
        networks.
    """

    pyramid: ClassVar[type[nn.Module]] = SpatialPyramid

    def __init__(self, repeats: tuple[int, int] = (2, 8)):
        super().__init__()
        self.shrink = self.make_pool()
        self.stem = conv_norm_prelu(3, STEM, 3, stride=2)
        self.join1 = norm_prelu(STEM + 3)
        self.level2 = self._level(STEM + 3, 64, repeats[0])
        self.join2 = norm_prelu(2 * 64 + 3)
        self.level3 = self._level(2 * 64 + 3, 128, repeats[1])
        self.join3 = norm_prelu(2 * 128)
        levels = (3, STEM + 3, 2 * 64 + 3, 2 * 128)
        self.taps = {f"c{level}": Tap(channels, 2**level) for level, channels in enumerate(levels)}
        initialize(self)

    @staticmethod
    def make_pool() -> nn.Module:
        """Build what halves the image."""
        return nn.AvgPool2d(3, 2, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[N, 3, H, W] -> the image and the levels, of ceil(H / stride) rows and ceil(W / stride) columns."""
        half = self.shrink(images)
        c1 = self.join1(torch.cat([self.stem(images), half], 1))
        first, last = self._run(self.level2, c1)
        c2 = self.join2(torch.cat([last, first, self.shrink(half)], 1))
        first, last = self._run(self.level3, c2)
        return {"c0": images, "c1": c1, "c2": c2, "c3": self.join3(torch.cat([first, last], 1))}

    def stages(self) -> list[list[nn.Module]]:
        """Return the levels, for ``frozen_stages``."""
        return [[self.stem, self.join1], [self.level2, self.join2], [self.level3, self.join3]]

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the levels by name, for exports that leave one in float."""
        return {"previous": [self], "stem": [self.stem], "level2": [self.level2], "level3": [self.level3]}

    def _level(self, in_channels: int, channels: int, repeats: int) -> nn.ModuleList:
        first = PyramidBlock(self.pyramid(in_channels, channels, 2), channels, residual=False)
        others = [PyramidBlock(self.pyramid(channels, channels), channels, residual=True) for _ in range(repeats)]
        return nn.ModuleList([first, *others])

    @staticmethod
    def _run(level: nn.ModuleList, x: Tensor) -> tuple[Tensor, Tensor]:
        first = x = level[0](x)
        for block in list(level)[1:]:
            x = block(x)
        return first, x


class ESPNetDecoder(nn.Module):
    """Bring the levels back to the image's size in the space of the classes, by transposed convolutions.

    Args:
        taps: of ``ESPNetEncoder``.
        num_classes: K.
    Source: Mehta et al. 2018 (ESPNet), figure 4.
    Departs: a map of an odd size is cut to it after its transposed convolution; the source takes multiples of 8 only.
    """

    pyramid: ClassVar[type[nn.Module]] = SpatialPyramid

    def __init__(self, taps: Mapping[str, Tap], num_classes: int):
        super().__init__()
        c1, c2, c3 = (taps[name].channels for name in ("c1", "c2", "c3"))
        self.project3 = nn.Sequential(Conv2d(c3, num_classes), BatchNorm2d(num_classes, eps=1e-3))
        self.up3 = _double(num_classes)
        self.project2 = Conv2d(c2, num_classes)
        join = PyramidBlock(self.pyramid(2 * num_classes, num_classes), num_classes, residual=False)
        self.join2 = nn.Sequential(norm_prelu(2 * num_classes), join)
        self.up2 = nn.Sequential(_double(num_classes), norm_prelu(num_classes))
        self.join1 = conv_norm_prelu(c1 + num_classes, num_classes, 3)
        self.up1 = _double(num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Map the levels to logits [N, K, H, W]."""
        projected = self.project2(features["c2"])
        upsampled = crop_to(projected, self.up3(self.project3(features["c3"])))
        joined = self.up2(self.join2(torch.cat([projected, upsampled], 1)))
        joined = self.join1(torch.cat([crop_to(features["c1"], joined), features["c1"]], 1))
        return crop_to(features["c0"], self.up1(joined))


def _double(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels, 2, stride=2, bias=False)
