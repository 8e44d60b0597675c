"""Dilated depthwise convolutions in training on the CPU, against PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from densevision.backbones.layers import Conv2d

SIZES = [(6, 8), (5, 7), (1, 1), (2, 9)]


def trained(layer: Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    """Output and gradients of a layer in training."""
    x = x.clone().requires_grad_()
    y = layer.train()(x)
    (y * torch.arange(y.numel()).reshape(y.shape)).sum().backward()
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


def expected(layer: Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    plain = nn.Conv2d(4, 4, layer.kernel_size, padding=layer.padding, dilation=layer.dilation, groups=4, bias=True)
    plain.double().load_state_dict(layer.state_dict())
    return trained(plain, x)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dilation", [2, 3])
@pytest.mark.parametrize("kernel", [3, 5])
def test_outputs_and_gradients_are_those_of_the_dilated_convolution(size, dilation, kernel):
    torch.manual_seed(0)
    layer = Conv2d(4, 4, kernel, dilation=dilation, groups=4, bias=True).double()
    x = torch.randn(2, 4, *size, dtype=torch.float64)
    for found, right in zip(trained(layer, x), expected(layer, x), strict=True):
        torch.testing.assert_close(found, right)


def test_a_kernel_of_ones_sums_every_second_pixel():
    layer = Conv2d(1, 1, 3, dilation=2, groups=1)  # one channel is depthwise
    nn.init.ones_(layer.weight)
    row = torch.tensor([[[[1.0, 10.0, 100.0, 1000.0, 10000.0]]]])
    assert layer.train()(row).flatten().tolist() == [101, 1010, 10101, 1010, 10100]


def test_channels_last_stays():
    x = torch.randn(2, 4, 6, 8).to(memory_format=torch.channels_last)
    assert Conv2d(4, 4, 5, dilation=2, groups=4).train()(x).is_contiguous(memory_format=torch.channels_last)


def test_evaluation_has_one_convolution(monkeypatch):
    dilations = []
    monkeypatch.setattr(F, "conv2d", lambda x, *args: dilations.append(args[4]) or x)
    Conv2d(4, 4, 5, dilation=2, groups=4).eval()(torch.zeros(1, 4, 6, 8))
    assert dilations == [(2, 2)]


def test_training_on_the_cpu_has_no_dilation(monkeypatch):
    options = []
    monkeypatch.setattr(F, "conv2d", lambda x, *_, **given: options.append(given) or x)
    Conv2d(4, 4, 5, dilation=2, groups=4).train()(torch.zeros(1, 4, 6, 8))
    assert options == [dict(padding=2, groups=4)]
