"""What the comparison networks share: convolutions with PReLU, and their initialization."""

from __future__ import annotations

from torch import Tensor, nn

from densevision.backbones.layers import BatchNorm2d, ConvNormAct


def conv_norm_prelu(
    in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Build a convolution without bias, batch norm and PReLU."""
    convolution = ConvNormAct(in_channels, out_channels, kernel, stride=stride, groups=groups, act=None)
    return nn.Sequential(convolution, nn.PReLU(out_channels))


def norm_prelu(channels: int) -> nn.Sequential:
    """Build a batch norm and a PReLU with one slope per channel."""
    return nn.Sequential(BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def initialize(network: nn.Module) -> None:
    """Draw the weights of all convolutions as ``Segmentor`` does for the network of a table."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def crop_to(finer: Tensor, x: Tensor) -> Tensor:
    """Cut ``x`` [N, C, h, w] at the bottom and on the right to the size of ``finer``, which is at most one smaller."""
    return x[..., : finer.shape[-2], : finer.shape[-1]] if x.shape[-2:] != finer.shape[-2:] else x
