import copy

import pytest
import torch
from torch import nn

from densevision.backbones.expansion import _NormalizedExpansion, can_expand, expand
from densevision.backbones.layers import ConvNormAct


def layers(narrow: int, wide: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(narrow, wide, 1, bias=False), nn.BatchNorm2d(wide, eps=1e-3, momentum=0.1)
    nn.init.uniform_(norm.weight, -2, 2)
    nn.init.normal_(norm.bias)
    return conv.to(memory_format=torch.channels_last), norm


def narrow_map(*shape: int) -> torch.Tensor:
    """Channels of other means and spreads."""
    spread, mean = torch.linspace(0.1, 5, shape[1]), torch.linspace(-3, 9, shape[1])
    x = torch.randn(shape) * spread[:, None, None] + mean[:, None, None]
    return x.to(memory_format=torch.channels_last)


def test_by_hand():
    conv, norm = nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0.0, momentum=0.5)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([3.0, -1.0]).view(2, 1, 1, 1))
        norm.weight.copy_(torch.tensor([1.0, 10.0]))
        norm.bias.copy_(torch.tensor([0.0, 5.0]))
    x = torch.tensor([2.0, 4.0]).view(1, 1, 1, 2)  # 3 x: 6, 12, mean 9, variance 9 (18 of the sample)
    out = expand(x, conv, norm)
    assert out.flatten().tolist() == pytest.approx([-1, 1, 15, -5])
    assert norm.running_mean.tolist() == pytest.approx([4.5, -1.5])
    assert norm.running_var.tolist() == pytest.approx([9.5, 1.5])  # half of 1 and of 18; of 1 and of 2
    assert norm.num_batches_tracked == 1


@pytest.mark.reference
@pytest.mark.parametrize("shape", [(4, 16, 20, 20), (2, 24, 7, 5), (3, 40, 1, 1)])
def test_equals_the_two_layers(shape):
    (conv, norm), x = layers(shape[1], 3 * shape[1]), narrow_map(*shape)
    conv_2, norm_2, x_2 = copy.deepcopy(conv), copy.deepcopy(norm), x.clone().requires_grad_()
    out, wanted = expand(x.requires_grad_(), conv, norm), norm_2(conv_2(x_2))
    grad = torch.randn_like(wanted)
    out.backward(grad)
    wanted.backward(grad)
    assert out.is_contiguous(memory_format=torch.channels_last)
    pairs = [(out, wanted), (x.grad, x_2.grad), (conv.weight.grad, conv_2.weight.grad),
             (norm.weight.grad, norm_2.weight.grad), (norm.bias.grad, norm_2.bias.grad),
             (norm.running_mean, norm_2.running_mean), (norm.running_var, norm_2.running_var)]
    for got, exact in pairs:
        torch.testing.assert_close(got, exact, rtol=1e-4, atol=1e-5 * exact.abs().max().item())


def test_gradients_by_finite_differences():
    x, weight = torch.randn(2, 3, 2, 2, dtype=torch.float64), torch.randn(6, 3, 1, 1, dtype=torch.float64)
    gamma, beta = torch.rand(6, dtype=torch.float64) + 0.5, torch.randn(6, dtype=torch.float64)
    inputs = [one.requires_grad_() for one in (x, weight, gamma, beta)]
    assert torch.autograd.gradcheck(lambda *args: _NormalizedExpansion.apply(*args, 1e-3)[0], inputs)


def test_a_widening_layer_trains_so_on_a_cpu_and_runs_as_two_layers():
    layer, x = ConvNormAct(8, 24).to(memory_format=torch.channels_last), narrow_map(2, 8, 4, 4)
    calls = []
    layer[0].register_forward_hook(lambda *_: calls.append("convolution"))
    assert layer(x).min() == 0 and not calls
    layer.eval()(x)
    assert calls == ["convolution"]


def test_where_it_is_used():
    (conv, norm), x = layers(8, 24), narrow_map(2, 8, 4, 4)
    assert can_expand(x, conv, norm)
    assert not can_expand(x.contiguous(), conv, norm)
    assert not can_expand(x[:1, :, :1, :1], conv, norm)  # one position has no variance
    assert not can_expand(x, conv, nn.SyncBatchNorm(24))
    assert not can_expand(x, nn.Conv2d(8, 12, 1), norm)
    with torch.autocast("cpu"):
        assert not can_expand(x, conv, norm)
    norm.momentum = None
    assert not can_expand(x, conv, norm)
    assert not can_expand(x, conv, nn.BatchNorm2d(24).eval())
