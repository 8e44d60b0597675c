"""A widening 1x1 convolution with its batch norm, for training on a CPU.

An expansion writes the widest maps of a mobile network, and batch norm would visit them again and again. It need not:
the statistics of y = W x follow from those of the narrow x, mean(y) = W mean(x) and var(y) = diag(W S W'), with S the
covariance of x's channels. So the norm becomes part of the weights, y is never stored, and backwards the norm costs
products as small as S. V3-Large trains faster and in less memory so; V3-Small about as before.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def expand(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """Do what ``norm(conv(x))`` does in training, running statistics included.

    Args:
        x: [N, C, H, W] float32 in channels-last memory.
        conv: 1x1, without bias, stride or groups.
        norm: in training mode, with affine weights and a momentum.
    Returns:
        [N, K, H, W], equal up to rounding.
    """
    out, mean, var = _NormalizedExpansion.apply(x, conv.weight, norm.weight, norm.bias, norm.eps)
    count = out.numel() // out.shape[1]
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(var * count / (count - 1), norm.momentum)
    return out


def can_expand(x: Tensor, conv: nn.Conv2d, norm: nn.Module) -> bool:
    """Whether ``expand`` may stand for the two layers: on a CPU in training, where the map gets twice as wide."""
    return (
        type(norm) is nn.BatchNorm2d and norm.training and norm.momentum is not None
        and conv.kernel_size == conv.stride == (1, 1) and conv.groups == 1
        and conv.out_channels >= 2 * conv.in_channels
        and x.is_cpu and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last) and x.numel() > x.shape[1]
    )


class _NormalizedExpansion(torch.autograd.Function):
    """y = k (W c) + beta, with c = x - mean(x), k = gamma / sqrt(v + eps), v = diag(W S W'), S = mean(c c')."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, eps: float):
        rows, flat = _rows(x), weight.flatten(1)  # [M, C] and W, [K, C]
        mean = rows.mean(0)
        centred = rows - mean
        covariance = centred.T @ centred / len(rows)
        var = ((flat @ covariance) * flat).sum(1)
        scale = (var + eps).rsqrt()
        ctx.save_for_backward(centred, flat, covariance, gamma, scale)
        ctx.shape = x.shape
        wide_mean = flat @ mean
        ctx.mark_non_differentiable(wide_mean, var)
        factor = (gamma * scale)[:, None, None, None]
        return F.conv2d(_map(centred, x.shape), weight * factor, beta), wide_mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _mean: None, _var: None):
        centred, weight, covariance, gamma, scale = ctx.saved_tensors
        rows = _rows(grad)
        product = nn.grad.conv2d_weight(_map(centred, ctx.shape), (*weight.shape, 1, 1), grad).flatten(1)  # [K, C]
        grad_gamma = (product * weight).sum(1) * scale
        grad_beta = rows.new_ones(1, len(rows)).mm(rows)[0]  # faster than a sum over rows
        factor = gamma * scale
        through_var = factor * scale * grad_gamma
        grad_weight = factor[:, None] * product - through_var[:, None] * (weight @ covariance)
        through_mean = (factor * grad_beta / len(rows)) @ weight
        grad_rows = torch.addmm(-through_mean[None], centred, weight.T @ (through_var[:, None] * weight),
                                alpha=-1 / len(rows))
        grad_rows.addmm_(rows, factor[:, None] * weight)
        return _map(grad_rows, ctx.shape), grad_weight[:, :, None, None], grad_gamma, grad_beta, None


def _rows(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N * H * W, C], without a copy where x lies channels last."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def _map(rows: Tensor, shape: torch.Size) -> Tensor:
    """[N * H * W, K] -> [N, K, H, W], channels last."""
    count, _, height, width = shape
    return rows.view(count, height, width, -1).permute(0, 3, 1, 2)
