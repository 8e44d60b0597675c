"""The layers a MobileNetV3 is made of: ConvNormAct, SqueezeExcite, InvertedResidual."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from densevision.backbones.spec import Block, make_divisible

Padding = Literal["symmetric", "same"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,
    "hsigmoid": nn.Hardsigmoid,
}


class Conv2d(nn.Conv2d):
    """Convolution whose output is ceil(input / stride) high and wide.

    ``padding="symmetric"`` pads alike on both sides (PyTorch's habit); ``"same"`` pads as TensorFlow's SAME does:
    as little as needed, the odd pixel at the bottom and right. They differ for stride 2 on even sizes.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, dilation: int = 1,
                 groups: int = 1, bias: bool = False, padding: Padding = "symmetric"):
        if padding not in ("symmetric", "same"):
            raise ValueError(f'padding is {padding!r}; it is "symmetric" or "same"')
        # At stride 1 both rules pad alike, and no extra operation is needed.
        self.same = padding == "same" and stride > 1
        pad = 0 if self.same else dilation * (kernel - 1) // 2
        super().__init__(in_channels, out_channels, kernel, stride, pad, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self._pad_same(x) if self.same else x)

    def _pad_same(self, x: Tensor) -> Tensor:
        pads = []  # left, right, top, bottom
        widths = (x.shape[:1:-1], self.kernel_size, self.stride, self.dilation)
        for size, kernel, stride, dilation in zip(*widths, strict=True):
            total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads) if any(pads) else x


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm, and an activation (None: linear)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, dilation: int = 1,
                 groups: int = 1, act: str | None = "relu", padding: Padding = "symmetric"):
        layers: list[nn.Module] = [
            Conv2d(in_channels, out_channels, kernel, stride=stride, dilation=dilation, groups=groups,
                   padding=padding),
            nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),  # PyTorch momentum = 1 - TensorFlow decay 0.99
        ]
        if act is not None:
            # h-swish needs its input for the gradient: in place, PyTorch would copy it first.
            layers.append(ACTIVATIONS[act](inplace=act != "hswish"))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate that sees the whole map.

    Source: paper section 5.3: the bottleneck of the gate has a quarter of the expansion's channels.
    """

    def __init__(self, channels: int):
        super().__init__()
        squeezed = make_divisible(channels / 4)
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = F.relu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * F.hardsigmoid(self.expand(gate))


class InvertedResidual(nn.Module):
    """Expansion, depthwise filter, squeeze-and-excite, projection (paper Figure 4).

    ``expand``, ``filter`` and ``project`` are the three stages; a backbone calls them apart to tap the first two.
    """

    def __init__(self, in_channels: int, block: Block, *, stride: int, dilation: int, padding: Padding):
        super().__init__()
        self.residual = stride == 1 and in_channels == block.out
        self.expansion = (
            ConvNormAct(in_channels, block.expand, act=block.act) if block.expand != in_channels else nn.Identity()
        )
        self.depthwise = ConvNormAct(block.expand, block.expand, block.kernel, stride=stride, dilation=dilation,
                                     groups=block.expand, act=block.act, padding=padding)
        self.se = SqueezeExcite(block.expand) if block.se else nn.Identity()
        self.projection = ConvNormAct(block.expand, block.out, act=None)

    def expand(self, x: Tensor) -> Tensor:
        return self.expansion(x)

    def filter(self, expanded: Tensor) -> Tensor:
        return self.depthwise(expanded)

    def project(self, filtered: Tensor, x: Tensor) -> Tensor:
        out = self.projection(self.se(filtered))
        return x + out if self.residual else out

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.filter(self.expand(x)), x)
