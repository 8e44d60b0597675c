"""Count parameters, multiply-adds and activations of a network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_COUNTED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)


@dataclass(frozen=True)
class LayerCount:
    """What one convolution, linear layer or batch norm costs on one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]  # without the image axis: (C, H, W) or (C,)
    params: int  # weights and biases; of a batch norm gamma and beta
    madds: int  # multiply-adds of convolutions and linear layers; batch norm is folded away
    activation_bytes: int  # input plus output, float32


def count_layers(model: nn.Module, size: tuple[int, int]) -> list[LayerCount]:
    """Run one image of shapes alone (meta tensors: no arithmetic) through a network.

    Args:
        model: takes [1, 3, H, W]; it is moved to the meta device and loses its weights.
        size: (height, width) of the input in pixels.
    Returns:
        The layers in the order they run. Activations, gates' products, pooling and resizing count nothing.
    """
    model = model.to("meta").eval()
    counts: list[LayerCount] = []
    hooks = [
        module.register_forward_hook(_recorder(name, counts))
        for name, module in model.named_modules()
        if isinstance(module, _COUNTED)
    ]
    with torch.no_grad():
        model(torch.empty(1, 3, *size, device="meta"))
    for hook in hooks:
        hook.remove()
    return counts


def _recorder(name: str, counts: list[LayerCount]):
    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        params = sum(p.numel() for p in module.parameters(recurse=False))
        elements = inputs[0].numel() + output.numel()
        shape = tuple(output.shape[1:])
        counts.append(LayerCount(name, type(module).__name__, shape, params, _madds(module, output), 4 * elements))

    return record


def _madds(module: nn.Module, output: Tensor) -> int:
    """One multiply-add per weight and output position; biases are free."""
    if isinstance(module, nn.BatchNorm2d):
        return 0
    positions = output.shape[-2] * output.shape[-1] if isinstance(module, nn.Conv2d) else 1
    return module.weight.numel() * positions


def total_params(counts: list[LayerCount], *, norm: bool) -> int:
    """Sum the parameters, with or without batch norms."""
    return sum(layer.params for layer in counts if norm or layer.kind != "BatchNorm2d")


def total_madds(counts: list[LayerCount]) -> int:
    """Sum the multiply-adds."""
    return sum(layer.madds for layer in counts)


def peak_activation(counts: list[LayerCount]) -> int:
    """Bytes of the largest input plus output of one layer, float32, one image.

    It is what a runtime that keeps nothing else must hold; residuals and taps that wait come on top.
    """
    return max(layer.activation_bytes for layer in counts)
