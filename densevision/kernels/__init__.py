"""Parts of a training step on a CPU, where PyTorch is slow at them with maps that lie channels last.

Batch norm and its activation become one operation; convolutions and squeeze-and-excite get gradients of their own. The
set-up compiles what is in C where it finds a compiler; without it, and for everything that is not served (inference,
GPUs, other types and memory orders), the layers are PyTorch's. Both give the same numbers up to rounding.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ACTIVATIONS = {nn.ReLU: 1, nn.ReLU6: 2, nn.Hardswish: 3}  # as norm_act.c counts them; 0: none
_SOURCE = "densevision.kernels._compiled"


def compiled() -> bool:
    """Whether the set-up compiled the kernels."""
    return _library() is not None


def serves_norm(x: Tensor, norm: nn.Module, act: nn.Module | None) -> bool:
    """Whether ``norm_act`` may stand for the two layers: in training on a CPU, float32, channels last."""
    return (
        type(norm) is nn.BatchNorm2d and norm.training and norm.affine and norm.track_running_stats
        and norm.momentum is not None and (act is None or type(act) in _ACTIVATIONS)
        and x.numel() > x.shape[1] and _serves(x)
    )


def norm_act(x: Tensor, norm: nn.BatchNorm2d, act: nn.Module | None) -> Tensor:
    """Do what ``act(norm(x))`` does in training, running statistics included.

    Args:
        x: [N, C, H, W], for which ``serves_norm`` holds.
        norm: over C channels.
        act: ReLU, ReLU6, h-swish or None.
    Returns:
        [N, C, H, W], channels last.
    """
    out, mean, var = _NormAct.apply(x, norm.weight, norm.bias, norm.eps, _ACTIVATIONS.get(type(act), 0))
    count = x.numel() // x.shape[1]
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(var * (count / (count - 1)), norm.momentum)
    return out


def serves_filter(x: Tensor, conv: nn.Conv2d) -> bool:
    """Whether ``depthwise`` may stand for the layer: 5x5 or dilated 3x3 taps, where PyTorch's gradients are slow."""
    kernel, dilation = conv.kernel_size[0], conv.dilation[0]
    return (
        conv.groups == conv.in_channels == conv.out_channels > 1 and (kernel == 5 or (kernel == 3 and dilation > 1))
        and all(len(set(pair)) == 1 for pair in (conv.kernel_size, conv.stride, conv.padding, conv.dilation))
        and conv.bias is None and conv.padding_mode == "zeros" and _differentiates(x)
    )


def depthwise(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Do what ``conv(x)`` does for [N, C, H, W] for which ``serves_filter`` holds."""
    return _Depthwise.apply(x, conv.weight, conv.stride[0], conv.padding[0], conv.dilation[0])


def serves_pointwise(x: Tensor, conv: nn.Conv2d) -> bool:
    """Whether ``pointwise`` may stand for the layer: 1x1 taps at stride 1."""
    return (
        conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1 and _differentiates(x)
    )


def pointwise(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Do what ``conv(x)`` does for [N, C, H, W] for which ``serves_pointwise`` holds."""
    return _Pointwise.apply(x, conv.weight, conv.bias)


def serves_gate(x: Tensor) -> bool:
    """Whether ``excite`` may stand for the product of [N, C, H, W] and its gate."""
    return _differentiates(x)


def excite(x: Tensor, gate: Callable[[Tensor], Tensor], parameters: Iterable[Tensor]) -> Tensor:
    """Do what ``x * gate(x.mean((2, 3), keepdim=True))`` does for [N, C, H, W] for which ``serves_gate`` holds.

    Args:
        gate: [N, C, 1, 1] -> [N, C, 1, 1].
        parameters: of the gate.
    """
    return _Excite.apply(x, gate, *parameters)


def _differentiates(x: Tensor) -> bool:
    """Whether a gradient of our own may be wanted: only the backward pass differs from PyTorch's."""
    return torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu") and _serves(x)


def _serves(x: Tensor) -> bool:
    return (
        type(x) is Tensor and x.is_cpu and x.dtype == torch.float32
        and x.is_contiguous(memory_format=torch.channels_last) and not torch.compiler.is_compiling() and compiled()
    )


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The C functions. They share torch's threads: torch, imported above, has loaded the OpenMP they ask for."""
    found = importlib.util.find_spec(_SOURCE)
    if found is None or found.origin is None:
        return None
    library = ctypes.CDLL(found.origin)
    data, size, number, fraction = ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_float
    norm = [data, data, fraction, number, number]  # weight, bias, eps, activation, threads
    library.norm_act_forward.argtypes = [data, size, size, *norm, *[data] * 3]
    library.norm_act_backward.argtypes = [data, data, size, size, *norm, *[data] * 5]
    library.sum_products.argtypes = [data, data, size, size, size, number, data]
    library.depthwise_backward.argtypes = [data, data, data, data, number, data, data]
    return library


def _check(status: int) -> None:
    if status:
        raise MemoryError("no memory for a training step: use smaller batches")


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: int):
        out, mean, var = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        channels = x.shape[1]
        _check(_library().norm_act_forward(
            x.data_ptr(), x.numel() // channels, channels, weight.data_ptr(), bias.data_ptr(), eps, act,
            torch.get_num_threads(), out.data_ptr(), mean.data_ptr(), var.data_ptr(),
        ))
        ctx.save_for_backward(x, weight, bias, mean, var)
        ctx.eps, ctx.act = eps, act
        ctx.mark_non_differentiable(mean, var)
        ctx.set_materialize_grads(False)
        return out, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _mean: None, _var: None):
        x, weight, bias, mean, var = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_x, grad_weight, grad_bias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        channels = x.shape[1]
        _check(_library().norm_act_backward(
            x.data_ptr(), grad.data_ptr(), x.numel() // channels, channels, weight.data_ptr(), bias.data_ptr(), ctx.eps,
            ctx.act, torch.get_num_threads(), mean.data_ptr(), var.data_ptr(), grad_x.data_ptr(),
            grad_weight.data_ptr(), grad_bias.data_ptr(),
        ))
        return grad_x, grad_weight, grad_bias, None, None


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int):
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding, dilation
        return F.conv2d(x, weight, None, stride, padding, dilation, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        (count, channels, height, width), taps = x.shape, weight[0].numel()
        shape = (ctypes.c_long * 10)(count, height, width, channels, *grad.shape[2:], weight.shape[-1], *ctx.steps)
        grad_x, parts = torch.empty_like(x), weight.new_empty(count, taps, channels)
        by_tap = weight.flatten(1).t().contiguous()
        _check(_library().depthwise_backward(
            x.data_ptr(), grad.data_ptr(), by_tap.data_ptr(), ctypes.addressof(shape), torch.get_num_threads(),
            grad_x.data_ptr(), parts.data_ptr(),
        ))
        return grad_x, parts.sum(0).t().reshape(weight.shape), None, None, None


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None):
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        rows, grads, flat = _rows(x), _rows(grad), weight.flatten(1)
        if len(flat) > 2 * flat.shape[1]:
            grad_weight = nn.grad.conv2d_weight(x, weight.shape, grad)
        else:
            grad_weight = (grads.t() @ rows).view_as(weight)
        count, _, height, width = x.shape
        grad_x = (grads @ flat).view(count, height, width, -1).permute(0, 3, 1, 2)
        grad_bias = grads.sum(0) if ctx.needs_input_grad[2] else None
        return grad_x, grad_weight, grad_bias


def _rows(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N * H * W, C], without a copy where x lies channels last."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


class _Excite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, gate: Callable[[Tensor], Tensor], *parameters: Tensor):
        pooled = x.mean((2, 3), keepdim=True)
        with torch.enable_grad():
            factor = gate(pooled.requires_grad_())
        ctx.save_for_backward(x, pooled, factor, *parameters)
        return x * factor.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, pooled, factor, *parameters = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        (images, channels), pixels = x.shape[:2], x[0, 0].numel()
        grad_factor = torch.empty_like(pooled)
        _library().sum_products(
            x.data_ptr(), grad.data_ptr(), images, pixels, channels, torch.get_num_threads(), grad_factor.data_ptr()
        )
        grads = torch.autograd.grad(factor, [pooled, *parameters], grad_factor, retain_graph=True)
        return torch.addcmul(grads[0] / pixels, grad, factor.detach()), None, *grads[1:]
