"""Count parameters, multiply-adds and activations of a network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_COUNTED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
_aten = torch.ops.aten
_NORMS = {_aten.native_batch_norm, _aten._native_batch_norm_legit_no_training}
_ACTIVATIONS = {
    _aten.relu,
    _aten.relu_,
    _aten.hardtanh,
    _aten.hardtanh_,
    _aten.hardswish,
    _aten.hardsigmoid,
    _aten.sigmoid,
}


@dataclass(frozen=True)
class LayerCount:
    """What one convolution, linear layer or batch norm costs on one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]  # without the image axis: (C, H, W) or (C,)
    params: int  # weights and biases; of a batch norm gamma and beta
    madds: int  # multiply-adds of convolutions and linear layers; batch norm is folded away


def count_layers(model: nn.Module, size: tuple[int, int]) -> list[LayerCount]:
    """Run one image of shapes alone (meta tensors: no arithmetic) through a network.

    Args:
        model: takes [1, 3, H, W]; it is moved to the meta device and loses its weights.
        size: (height, width) of the input in pixels.
    Returns:
        The layers in the order they run. Activations, gates' products, pooling and resizing count nothing.
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
    """Bytes of the tensors that are alive at the same time in the worst step of one image's inference, float32.

    The operations run one after another in the order of the network's code. A tensor lives from the operation
    that writes it to the last one that reads it, so taps and the inputs of residual additions live on while other
    layers run; an operation's inputs and outputs are alive together. The image and the network's outputs count,
    weights do not. Batch norms and activations work in place, as runtimes fold them into the convolution; views
    share their memory.

    Args:
        model: as for ``count_layers``.
        size: (height, width) of the input in pixels.
    """
    run = ShapeRun(model, size)
    return max(
        sum(run.bytes[tensor] for tensor in run.bytes if run.written[tensor] <= step <= run.read[tensor])
        for step in range(run.steps + 1)
    )


def total_params(counts: list[LayerCount], *, norm: bool) -> int:
    """Sum the parameters, with or without batch norms."""
    return sum(layer.params for layer in counts if norm or layer.kind != "BatchNorm2d")


def total_madds(counts: list[LayerCount]) -> int:
    """Sum the multiply-adds."""
    return sum(layer.madds for layer in counts)


def _recorder(name: str, counts: list[LayerCount]):
    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        params = sum(p.numel() for p in module.parameters(recurse=False))
        shape = tuple(output.shape[1:])
        counts.append(LayerCount(name, type(module).__name__, shape, params, _madds(module, output)))

    return record


def _madds(module: nn.Module, output: Tensor) -> int:
    """One multiply-add per weight and output position; biases are free."""
    if isinstance(module, nn.BatchNorm2d):
        return 0
    positions = output.shape[-2] * output.shape[-1] if isinstance(module, nn.Conv2d) else 1
    return module.weight.numel() * positions


class ShapeRun(TorchDispatchMode):
    """One run of a network on the meta device, and the life of every tensor in it.

    Attributes:
        steps: number of operations; step 0 is the image's.
        bytes: size of each tensor's memory, by the memory's identity.
        written: first step of each.
        read: last step of each; the network's outputs are read behind the last step.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]):
        super().__init__()
        self.steps = 0
        self.bytes: dict[int, int] = {}
        self.written: dict[int, int] = {}
        self.read: dict[int, int] = {}
        self._kept: list[Tensor] = []  # else a freed memory's identity could come again
        model = model.to("meta").eval()
        self._weights = {_memory(weight) for weight in model.state_dict(keep_vars=True).values()}
        image = torch.empty(1, 3, *size, device="meta")
        self._write(image)
        with torch.no_grad(), self:
            outputs = model(image)
        self.read.update(dict.fromkeys(_memories(outputs) & self.bytes.keys(), self.steps))

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.steps += 1
        if operation.overloadpacket in _ACTIVATIONS:
            result = args[0]  # as said; and PyTorch's own shapes of these take most of the time
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
