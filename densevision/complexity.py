"""Count parameters, multiply-adds and activations of a network, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

TRANSPOSED = "ConvTranspose2d"
_COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.PReLU)
_aten = torch.ops.aten
_NORMS = {_aten.native_batch_norm, _aten._native_batch_norm_legit_no_training}
_ACTIVATIONS = {
    _aten.relu,
    _aten.relu_,
    _aten.hardtanh,
    _aten.hardtanh_,
    _aten.hardswish,
    _aten.silu,
    _aten.hardsigmoid,
    _aten.sigmoid,
    _aten._prelu_kernel,
}


@dataclass(frozen=True)
class LayerCount:
    """The cost of one convolution, linear layer, batch norm or PReLU for one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]  # without the batch dimension: (C, H, W) or (C,)
    params: int  # weights and biases; gamma and beta of a batch norm; slopes of a PReLU
    madds: int  # multiply-adds of convolutions and linear layers; 0 for a batch norm, which is folded away


def count_layers(model: nn.Module, size: tuple[int, int]) -> list[LayerCount]:
    """Count every layer of a network, by a run on the meta device: shapes without arithmetic.

    Args:
        model: takes [1, 3, H, W]; it is moved to the meta device and loses its weights.
        size: (height, width) of the input in pixels.
    Returns:
        The layers in the order they run. Activations, products with gates, pooling and resizing are not counted.
    """
    counts: list[LayerCount] = []
    hooks = [
        module.register_forward_hook(_recorder(name, counts))
        for name, module in model.named_modules()
        if isinstance(module, _COUNTED)
    ]
    ShapeRun(model, size)
    for hook in hooks:
        hook.remove()
    return counts


def peak_activation(model: nn.Module, size: tuple[int, int]) -> int:
    """Return the peak memory of the activations for one image, in bytes of float32.

    The operations run in the order of the network's code. A tensor is alive from the operation that writes it to
    the last one that reads it: taps and the inputs of residual additions stay alive while other layers run. The
    image and the network's outputs count, weights do not. Batch norms and activations work in place, as runtimes
    fold them into the convolution; views share memory.

    Args:
        model: as for ``count_layers``.
        size: (height, width) of the input in pixels.
    """
    run = ShapeRun(model, size)
    return max(
        sum(run.bytes[tensor] for tensor in run.bytes if run.written[tensor] <= step <= run.read[tensor])
        for step in range(run.steps + 1)
    )


def total_params(counts: Sequence[LayerCount], *, norm: bool) -> int:
    """Sum the parameters, with or without batch norms."""
    return sum(layer.params for layer in counts if norm or layer.kind != "BatchNorm2d")


def total_madds(counts: Sequence[LayerCount], *, transposed: bool = True) -> int:
    """Sum the multiply-adds, with or without those of transposed convolutions."""
    return sum(layer.madds for layer in counts if transposed or layer.kind != TRANSPOSED)


def _recorder(name: str, counts: list[LayerCount]) -> Callable[..., None]:
    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        params = sum(p.numel() for p in module.parameters(recurse=False))
        shape = tuple(output.shape[1:])
        counts.append(LayerCount(name, type(module).__name__, shape, params, _madds(module, inputs[0], output)))

    return record


def _madds(module: nn.Module, entering: Tensor, output: Tensor) -> int:
    """Count one multiply-add per weight and output position, or input position if transposed; none for biases."""
    if isinstance(module, nn.ConvTranspose2d):
        return module.weight.numel() * entering.shape[-2] * entering.shape[-1]
    if isinstance(module, nn.Conv2d):
        return module.weight.numel() * output.shape[-2] * output.shape[-1]
    return module.weight.numel() if isinstance(module, nn.Linear) else 0


class ShapeRun(TorchDispatchMode):
    """One run of a network on the meta device, with the lifetime of every tensor.

    Attributes:
        steps: number of operations; the image is written in step 0.
        bytes: memory address -> size of the tensor's memory.
        written: memory address -> first step of the tensor.
        read: memory address -> last step of the tensor; for the network's outputs the last step of the run.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]):
        super().__init__()
        self.steps = 0
        self.bytes: dict[int, int] = {}
        self.written: dict[int, int] = {}
        self.read: dict[int, int] = {}
        self._kept: list[Tensor] = []  # keeps memory from being freed and its address from being used again
        model = model.to("meta").eval()
        self._weights = {_memory(weight) for weight in model.state_dict(keep_vars=True).values()}
        image = torch.empty(1, 3, *size, device="meta")
        self._write(image)
        with torch.no_grad(), self:
            outputs = model(image)
        self.read.update(dict.fromkeys(_memories(outputs) & self.bytes.keys(), self.steps))

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.steps += 1
        if operation.overloadpacket in _ACTIVATIONS:
            result = args[0]  # in place; also saves most of the time, which PyTorch's shape functions of these take
        elif operation.overloadpacket in _NORMS:
            result = (args[0], *torch.empty(2, 0, device="meta"))
        else:
            result = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            self._write(tensor)
        for memory in _memories((args, kwargs)) & self.bytes.keys():
            self.read[memory] = self.steps
        return result

    def _write(self, tensor: Tensor) -> None:
        memory = _memory(tensor)
        if memory not in self.bytes and memory not in self._weights:
            self.bytes[memory] = tensor.untyped_storage().nbytes()
            self.written[memory] = self.read[memory] = self.steps
            self._kept.append(tensor)


def _memories(values: object) -> set[int]:
    return {_memory(value) for value in tree_leaves(values) if isinstance(value, Tensor)}


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
