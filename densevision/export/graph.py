"""What the graphs of all tasks share on their way into a .tflite: pixels in, batch norms folded."""

from __future__ import annotations

import copy
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from densevision.backbones.layers import ConvNormAct
from densevision.data.normalize import Normalize
from densevision.errors import UserError
from densevision.inference.tflite_backend import as_input

InputType = Literal["uint8", "float32"]


def is_plain(normalize: Normalize) -> bool:
    """Whether a normalization maps 0..255 to -1..1."""
    return bool((normalize.mean == 127.5).all() and (normalize.std == 127.5).all())


class Pixels(nn.Module):
    """[1, H, W, 3] RGB, uint8 or float32 in -1..1, -> [1, 3, H, W] float32 as the network takes it.

    Raises:
        UserError: float32 pixels, and a model that takes another range than -1..1; or another preprocessor.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, normalize: Normalize, input_type: InputType):
        super().__init__()
        if not isinstance(normalize, Normalize):
            raise UserError(f"{type(normalize).__name__} can't be exported: only Normalize goes into the file")
        if input_type == "float32" and not is_plain(normalize):
            raise UserError("float32 pixels run from -1 to 1, which this model does not take; use --input uint8")
        self.uint8 = input_type == "uint8"
        mean, std = normalize.mean.flatten(), normalize.std.flatten()
        if len(mean.unique()) == len(std.unique()) == 1:  # a scalar costs less than a row
            mean, std = mean[:1], std[:1]
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", mean / std)

    def forward(self, image: Tensor) -> Tensor:
        if self.uint8:
            image = image.float() * self.scale - self.shift
        return image.permute(0, 3, 1, 2)


def frozen(model: Any) -> Any:
    """Copy a model for inference, its batch norms folded into their convolutions: fewer nodes to convert.

    The weights are contiguous. Of others, litert-torch makes temporary copies, and takes one for another of the same
    shape if they have been at the same address.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, ConvNormAct):
            convolution, norm = cast(nn.Conv2d, layer[0]), cast(nn.BatchNorm2d, layer[1])
            layer[0], layer[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return model.to(memory_format=torch.contiguous_format)


@torch.inference_mode()
def run_graph(graph: Any, image: np.ndarray) -> tuple[Tensor, ...]:
    """Run a graph in PyTorch on an image [H, W, 3] uint8."""
    outputs: tuple[Tensor, ...] = graph(
        torch.from_numpy(as_input(image[None], "uint8" if graph.pixels.uint8 else "float32"))
    )
    return outputs
