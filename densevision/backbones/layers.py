"""The layers a mobile backbone is made of: ConvNormAct, SqueezeExcite, InvertedResidual."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from densevision.backbones.spec import Block, has_residual, is_expanded, squeezed_channels

Padding = Literal["symmetric", "same"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,
    "swish": nn.SiLU,
}


def hard_sigmoid(x: Tensor) -> Tensor:
    """Compute ReLU6(x + 3) / 6; unlike ``F.hardsigmoid`` it can be differentiated twice."""
    return F.relu6(x + 3) / 6


class Conv2d(nn.Conv2d):
    """Convolution with an output of ceil(input size / stride).

    ``padding="symmetric"`` pads both sides equally, as is usual in PyTorch; ``"same"`` pads as TensorFlow's SAME
    does: as little as needed, an odd pixel at the bottom and right. They differ for stride 2 on even sizes.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        padding: Padding = "symmetric",
    ):
        if padding not in ("symmetric", "same"):
            raise ValueError(f'padding is {padding!r}; it is "symmetric" or "same"')
        # At stride 1 both rules are the same, and no extra operation is needed.
        self.same = padding == "same" and stride > 1
        pad = 0 if self.same else dilation * (kernel - 1) // 2
        super().__init__(in_channels, out_channels, kernel, stride, pad, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self._pad_same(x) if self.same else x
        if self.stride != (1, 1) and x.shape[-2:] == (1, 1) and torch.is_autocast_enabled("cpu"):
            # In bf16 PyTorch 2.14 leaves the weight's gradient of a depthwise layer as memory happens to be.
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        if self.training and x.device.type == "cpu" and self._is_dilated_depthwise():
            return _dilated_depthwise(x, self.weight, self.bias, self.dilation[0])
        return super().forward(x)

    def _is_dilated_depthwise(self) -> bool:
        depthwise = self.groups == self.in_channels == self.out_channels
        return depthwise and self.dilation[0] > 1 and self.stride == (1, 1) and self.kernel_size[0] % 2 == 1

    def _pad_same(self, x: Tensor) -> Tensor:
        pads = []  # left, right, top, bottom
        widths = (x.shape[:1:-1], self.kernel_size, self.stride, self.dilation)
        for size, kernel, stride, dilation in zip(*widths, strict=True):
            total = max(0, (ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads) if any(pads) else x


def _dilated_depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Convolve each of the dilation² grids of pixels that a dilated kernel reads, without dilation.

    The outputs are those of the dilated convolution. On the CPU its gradient takes several times as long.

    Args:
        x: [N, C, H, W].
        weight: [C, 1, k, k], k odd.
    """
    count, channels, height, width = x.shape
    x = F.pad(x, (0, -width % dilation, 0, -height % dilation)).permute(0, 2, 3, 1)  # [N, H', W', C]
    rows, columns = x.shape[1] // dilation, x.shape[2] // dilation
    grids = x.reshape(count, rows, dilation, columns, dilation, channels).permute(0, 2, 4, 1, 3, 5)
    grids = grids.reshape(-1, rows, columns, channels).permute(0, 3, 1, 2)  # [N * dilation², C, h, w], channels last
    grids = F.conv2d(grids, weight, bias, padding=weight.shape[-1] // 2, groups=channels).permute(0, 2, 3, 1)
    grids = grids.reshape(count, dilation, dilation, rows, columns, channels).permute(0, 3, 1, 4, 2, 5)
    joined = grids.reshape(count, rows * dilation, columns * dilation, channels).permute(0, 3, 1, 2)
    return joined[..., :height, :width]


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that uses its running statistics where a batch has one value per channel.

    One image with a 1x1 map has no variance, and PyTorch raises an error.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == self.num_features:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm, and an activation unless it is None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        act: str | None = "relu",
        padding: Padding = "symmetric",
    ):
        layers: list[nn.Module] = [
            Conv2d(in_channels, out_channels, kernel, stride=stride, dilation=dilation, groups=groups, padding=padding),
            BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),  # PyTorch momentum = 1 - TensorFlow decay 0.99
        ]
        if act is not None:
            # h-swish and swish need their input for the gradient: in place, PyTorch would copy it first.
            layers.append(ACTIVATIONS[act](inplace=act in ("relu", "relu6")))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate that is computed from the mean of the map.

    Args:
        channels: channels of the map.
        squeezed: channels between the two layers of the gate.
        gate: last activation of the gate.
    Source: paper section 5.3; MnasNet's gate is a sigmoid.
    """

    def __init__(self, channels: int, squeezed: int, gate: Callable[[Tensor], Tensor] = hard_sigmoid):
        super().__init__()
        self.gate = gate
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)  # [N, C, 1, 1]
        return x * self.gate(self.expand(F.relu(self.reduce(pooled))))


class InvertedResidual(nn.Module):
    """Expansion, depthwise filter, squeeze-and-excite, projection (paper Figure 4).

    ``expand``, ``filter`` and ``project`` are the three stages; a backbone calls them one by one to tap the first two.
    """

    def __init__(self, in_channels: int, block: Block, *, stride: int, dilation: int, padding: Padding):
        super().__init__()
        self.residual = has_residual(block, in_channels, stride)
        self.expansion = (
            ConvNormAct(in_channels, block.expand, act=block.act) if is_expanded(block, in_channels) else nn.Identity()
        )
        self.depthwise = ConvNormAct(
            block.expand,
            block.expand,
            block.kernel,
            stride=stride,
            dilation=dilation,
            groups=block.expand,
            act=block.act,
            padding=padding,
        )
        self.se = _squeeze_excite(in_channels, block)
        self.projection = ConvNormAct(block.expand, block.out, act=block.act if block.separable else None)

    def expand(self, x: Tensor) -> Tensor:
        return self.expansion(x)

    def filter(self, expanded: Tensor) -> Tensor:
        return self.depthwise(expanded)

    def project(self, filtered: Tensor, x: Tensor) -> Tensor:
        out = self.projection(self.se(filtered))
        return x + out if self.residual else out

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.filter(self.expand(x)), x)


def _squeeze_excite(in_channels: int, block: Block) -> nn.Module:
    """Build the gate of a block: the paper's, or MnasNet's with a sigmoid."""
    squeezed = squeezed_channels(block, in_channels)
    if block.se == "input":
        return SqueezeExcite(block.expand, squeezed, torch.sigmoid)
    return SqueezeExcite(block.expand, squeezed) if block.se else nn.Identity()
