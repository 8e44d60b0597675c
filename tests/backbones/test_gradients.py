"""Frozen parts, input gradients, double backward and hooks: the layers are plain PyTorch."""

import pytest
import torch
from torch import nn

from densevision.backbones import build_backbone
from densevision.backbones.layers import ConvNormAct, SqueezeExcite

FROZEN = {
    "gates": lambda name: ".se." in name,
    "blocks": lambda name: name.startswith("blocks."),
    "biases": lambda name: name.endswith("bias"),
    "weights": lambda name: name.endswith("weight"),
    "gates' first layers": lambda name: ".se.reduce." in name,
}


def small_backbone():
    torch.manual_seed(0)
    return build_backbone("mobilenet_v3_small", width=0.35)


def total(features):
    return sum(feature.square().mean() for feature in features.values())


@pytest.mark.parametrize("part", FROZEN)
def test_only_parts_that_are_not_frozen_get_gradients(part):
    backbone = small_backbone().train()
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(not FROZEN[part](name))
    total(backbone(torch.randn(2, 3, 64, 64))).backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is None) == FROZEN[part](name), name


def test_frozen_model_has_input_gradients():
    backbone = small_backbone().eval().requires_grad_(False)
    images = torch.randn(1, 3, 64, 64, requires_grad=True)
    total(backbone(images)).backward()
    assert images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_gradient_can_be_differentiated_again():
    backbone = small_backbone().train()
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(total(backbone(images)), images, create_graph=True)
    gradient.square().sum().backward()  # a gradient penalty
    assert backbone.stem[0].weight.grad.abs().sum() > 0


def test_second_derivative_of_the_gate_equals_the_numeric_one():
    gate = SqueezeExcite(4, 2).double()
    x = torch.randn(2, 4, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(gate, x)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_forward_hooks_fire_once_per_layer(mode):
    backbone, fired = small_backbone().train(mode), []
    layers = [m for m in backbone.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.Hardswish, ConvNormAct))]
    for layer in layers:
        layer.register_forward_hook(lambda layer, inputs, output: fired.append(layer))
    backbone(torch.randn(2, 3, 64, 64))
    assert len(fired) == len(layers) and set(fired) == set(layers)
