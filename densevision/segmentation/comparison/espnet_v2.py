"""ESPNetv2 of the paper's Table 8: pyramids of dilated depthwise convolutions, and a decoder of pyramid pools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from densevision.backbones.backbone import Tap
from densevision.backbones.layers import Conv2d, ConvNormAct
from densevision.segmentation.comparison.layers import conv_norm_prelu, initialize, norm_prelu

WIDE, NARROW = (1, 2, 3, 4), (1, 1, 2, 3)  # dilations up to stride 16, and in the blocks at stride 16
_BRANCHES = 4
_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
_PLANES = 16  # the decoder's unit of width
_LEAST_CELLS = 5  # rows and columns of a pooled map


class DepthwisePyramid(nn.Module):
    """Reduce, filter depthwise with four dilations, join the running sums, and mix them in groups.

    Args:
        in_channels: of the input.
        out_channels: of the output, a multiple of 4.
        dilations: of the four branches, ascending.
        stride: of the branches.
    """

    def __init__(self, in_channels: int, out_channels: int, dilations: Sequence[int], stride: int = 1):
        super().__init__()
        narrow = out_channels // _BRANCHES
        self.reduce = conv_norm_prelu(in_channels, narrow, groups=_BRANCHES)
        self.branches = nn.ModuleList(
            Conv2d(narrow, narrow, 3, stride=stride, dilation=dilation, groups=narrow) for dilation in dilations
        )
        self.act = norm_prelu(out_channels)
        self.mix = ConvNormAct(out_channels, out_channels, groups=_BRANCHES, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        reduced = self.reduce(x)
        sums = [self.branches[0](reduced)]
        for branch in list(self.branches)[1:]:
            sums.append(branch(reduced) + sums[-1])
        mixed: Tensor = self.mix(self.act(torch.cat(sums, 1)))
        return mixed


class Residual(nn.Module):
    """A pyramid, the input added to it, and PReLU."""

    def __init__(self, channels: int, dilations: Sequence[int]):
        super().__init__()
        self.pyramid, self.act = DepthwisePyramid(channels, channels, dilations), nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.pyramid(x))


class UnreadPReLU(nn.PReLU):
    """Return the input; the slopes are frozen, and only counted.

    Each strided pyramid of the authors' code defines a PReLU that it never applies. The published number of
    parameters includes its slopes.
    """

    def __init__(self, channels: int):
        super().__init__(channels)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return x


class Downsample(nn.Module):
    """Halve a map: its average pool next to a strided pyramid, and the reduced image added to both."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        added = out_channels - in_channels
        self.pyramid = nn.Sequential(DepthwisePyramid(in_channels, added, WIDE, stride=2), UnreadPReLU(added))
        self.pool = nn.AvgPool2d(3, 2, padding=1)
        self.image = nn.Sequential(conv_norm_prelu(3, 3, 3), ConvNormAct(3, out_channels, act=None))
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Map x [N, in_channels, H, W] and the image of half its size to [N, out_channels, H / 2, W / 2]."""
        return self.act(torch.cat([self.pool(x), self.pyramid(x)], 1) + self.image(image))


class ESPNetV2Encoder(nn.Module):
    """Four levels of strides 2 to 16.

    Args:
        channels: of the levels; the default is the network of twice the width.
        repeats: blocks after the first one of the third and the fourth level.
    Attributes:
        taps: "c1" to "c4", the levels; ``ESPNetV2Decoder`` reads them.
    Source: Mehta et al. 2019 (ESPNetv2), section 3 and table 1.
    """

    def __init__(self, channels: Sequence[int] = (32, 128, 256, 512), repeats: tuple[int, int] = (3, 7)):
        super().__init__()
        self.shrink = nn.AvgPool2d(3, 2, padding=1)
        self.level1 = conv_norm_prelu(3, channels[0], 3, stride=2)
        self.level2 = Downsample(channels[0], channels[1])
        self.down3 = Downsample(channels[1], channels[2])
        self.level3 = nn.Sequential(*(Residual(channels[2], WIDE) for _ in range(repeats[0])))
        self.down4 = Downsample(channels[2], channels[3])
        self.level4 = nn.Sequential(*(Residual(channels[3], NARROW) for _ in range(repeats[1])))
        self.taps = {f"c{level}": Tap(channels[level - 1], 2**level) for level in (1, 2, 3, 4)}
        initialize(self)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[N, 3, H, W] -> the four levels, of ceil(H / stride) rows and ceil(W / stride) columns."""
        quarter = self.shrink(self.shrink(images))
        eighth = self.shrink(quarter)
        c1 = self.level1(images)
        c2 = self.level2(c1, quarter)
        c3 = self.level3(self.down3(c2, eighth))
        c4 = self.level4(self.down4(c3, self.shrink(eighth)))
        return {"c1": c1, "c2": c2, "c3": c3, "c4": c4}

    def stages(self) -> list[list[nn.Module]]:
        """Return the levels, for ``frozen_stages``."""
        return [[self.level1], [self.level2], [self.down3, self.level3], [self.down4, self.level4]]


class PyramidPool(nn.Module):
    """Filter a map at five scales, and mix the results.

    Args:
        in_channels: of the input.
        filters: channels at each scale.
        out_channels: of the output.
        last: end with the class layer: a bias, and neither norm nor activation.
    """

    def __init__(self, in_channels: int, filters: int, out_channels: int, *, last: bool = False):
        super().__init__()
        self.project = conv_norm_prelu(in_channels, filters)
        self.filters = nn.ModuleList(Conv2d(filters, filters, 3, groups=filters) for _ in _SCALES)
        self.act = norm_prelu(filters * len(_SCALES))
        self.shuffle = nn.ChannelShuffle(len(_SCALES))
        self.mix = conv_norm_prelu(filters * len(_SCALES), filters, 3, groups=filters)
        self.expand = Conv2d(filters, out_channels, bias=last)
        self.out = nn.Identity() if last else norm_prelu(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, H, W]."""
        x = self.project(x)
        scaled = [self._at_scale(x, layer, scale) for layer, scale in zip(self.filters, _SCALES, strict=True)]
        mixed = self.mix(self.shuffle(self.act(torch.cat(scaled, 1))))
        out: Tensor = self.out(self.expand(mixed))
        return out

    @staticmethod
    def _at_scale(x: Tensor, layer: nn.Module, scale: float) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        other = (_scaled(size[0], scale), _scaled(size[1], scale))
        if scale == 1.0:
            filtered: Tensor = layer(x)
        elif scale < 1.0:
            filtered = _resize(layer(F.adaptive_avg_pool2d(x, other)), size)
        else:
            filtered = F.adaptive_avg_pool2d(layer(_resize(x, other)), size)
        return filtered


class Merge(nn.Module):
    """Project a level, gated by the mean of its map, and add the coarser map upsampled to it."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.gate = Conv2d(in_channels, out_channels)
        self.project = conv_norm_prelu(in_channels, out_channels, 3, groups=math.gcd(in_channels, out_channels))
        self.act = norm_prelu(out_channels)

    def forward(self, level: Tensor, coarse: Tensor) -> Tensor:
        """Map level [N, in_channels, H, W] and coarse [N, out_channels, h, w] to [N, out_channels, H, W]."""
        gate = self.gate(F.adaptive_avg_pool2d(level, 1)).sigmoid()
        return self.act(self.project(level) * gate + _resize(coarse, level.shape[-2:]))


class ESPNetV2Decoder(nn.Module):
    """Go from the coarsest level to the finest by pyramid pools, and merge each level on the way.

    Args:
        taps: of ``ESPNetV2Encoder``.
        num_classes: K.
    Source: the decoder of the authors' EdgeNets, whose multiply-adds are those of the paper's row. The article
        describes an older and larger one.
    Departs: maps are resized without the corners in place, as everywhere in this package.
    """

    def __init__(self, taps: Mapping[str, Tap], num_classes: int):
        super().__init__()
        filters = max(1, min(num_classes // 2, _PLANES))
        planes = (4 * _PLANES, 3 * _PLANES, 2 * _PLANES)
        entering = (taps["c4"].channels, *planes[:2])
        self.pools = nn.ModuleList(
            PyramidPool(before, filters, after) for before, after in zip(entering, planes, strict=True)
        )
        levels = [taps[name].channels for name in ("c3", "c2", "c1")]
        self.merges = nn.ModuleList(Merge(level, width) for level, width in zip(levels, planes, strict=True))
        self.classify = PyramidPool(planes[-1], filters, num_classes, last=True)

    @property
    def class_layers(self) -> list[nn.Module]:
        """See ``SegmentationHead``."""
        return [self.classify.expand]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Map the levels to logits [N, K, h, w] at stride 2."""
        x = features["c4"]
        for pool, merge, name in zip(self.pools, self.merges, ("c3", "c2", "c1"), strict=True):
            x = merge(features[name], pool(x))
        logits: Tensor = self.classify(x)
        return logits


def _scaled(side: int, scale: float) -> int:
    return max(_LEAST_CELLS, math.ceil(side * scale))


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
