"""The compiled kernels against numbers by hand and against PyTorch's own layers."""

import copy
import math
import os
import shutil
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from densevision import kernels
from densevision.backbones.layers import ACTIVATIONS, Conv2d, ConvNormAct, SqueezeExcite

pytestmark = pytest.mark.skipif(shutil.which("cc") is None and not kernels.compiled(), reason="no C compiler")
ACTS = [None, "relu", "relu6", "hswish"]


@pytest.fixture(autouse=True, params=[1, 8])
def _threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def channels_last(*shape):
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def norm_layer(channels):
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
    nn.init.uniform_(norm.weight, 0.5, 3)
    nn.init.normal_(norm.bias)
    return norm


def act_layer(name):
    return None if name is None else ACTIVATIONS[name]()


def gradients(function, x, parameters):
    x = x.detach().requires_grad_()
    out = function(x)
    weights = torch.sin(torch.arange(out.numel(), dtype=torch.float32)).view_as(out)
    return out.detach(), torch.autograd.grad((out * weights).sum(), [x, *parameters])


def test_the_set_up_compiled_them():
    assert kernels.compiled()


def test_by_hand_one_channel():
    """x = 1, 3: mean 2, variance 1; with eps 3, weight 4, bias 1: z = 2 (x - 2) + 1 = -1, 3; ReLU gives 0, 3."""
    norm = nn.BatchNorm2d(1, eps=3.0, momentum=0.1)
    with torch.no_grad():
        norm.weight.fill_(4.0)
        norm.bias.fill_(1.0)
    x = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    assert kernels.norm_act(x, norm, nn.ReLU()).flatten().tolist() == [0.0, 3.0]
    assert norm.running_mean.tolist() == pytest.approx([0.2])  # 0.9 * 0 + 0.1 * 2
    assert norm.running_var.tolist() == pytest.approx([1.1])  # 0.9 * 1 + 0.1 * 2, unbiased
    assert norm.num_batches_tracked.item() == 1


def test_by_hand_gradients_of_a_norm():
    """x = 1, 3 with dy = 0, 1: d bias = 1, d weight = 1 * (3 - 2) / 2, dx = 2 (dy - 1/2 - (x - 2) / 4 / 2)."""
    norm = nn.BatchNorm2d(1, eps=3.0)
    with torch.no_grad():
        norm.weight.fill_(4.0)
    x = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2).requires_grad_()
    out = kernels.norm_act(x, norm, None)
    out.backward(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2))
    assert norm.bias.grad.tolist() == [1.0]
    assert norm.weight.grad.tolist() == [0.5]
    assert x.grad.flatten().tolist() == [-0.75, 0.75]


def test_by_hand_gradients_of_a_filter():
    """A gradient of 1 at the upper left output: it saw rows and columns -2 to 2 of the input."""
    conv = Conv2d(2, 2, 5, groups=2)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(50.0).view(2, 1, 5, 5))
    x = torch.arange(18.0).view(1, 3, 3, 2).permute(0, 3, 1, 2).requires_grad_()  # channel c of pixel p is 2 p + c
    assert kernels.serves_filter(x, conv)
    grad = torch.zeros(1, 2, 3, 3)
    grad[0, 0, 0, 0] = 1
    kernels.depthwise(x, conv).backward(grad)
    assert x.grad[0, 0].tolist() == [[12, 13, 14], [17, 18, 19], [22, 23, 24]]
    assert conv.weight.grad[0, 0].tolist() == [[0] * 5, [0] * 5, [0, 0, 0, 2, 4], [0, 0, 6, 8, 10], [0, 0, 12, 14, 16]]
    assert not x.grad[0, 1].any() and not conv.weight.grad[1].any()


@pytest.mark.reference
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (2, 3, 5, 7), (3, 8, 9, 4), (2, 24, 33, 31), (1, 130, 3, 3),
                                   (4, 960, 6, 5)], ids=str)
def test_norm_act_is_pytorchs(act, shape):
    x, norm, layer = channels_last(*shape) * 3 + 2, norm_layer(shape[1]), act_layer(act)
    other = copy.deepcopy(norm).double()
    assert kernels.serves_norm(x, norm, layer)
    ours, our_grads = gradients(lambda x: kernels.norm_act(x, norm, layer), x, norm.parameters())
    theirs, grads = gradients(lambda x: layer(other(x)) if layer else other(x), x.double(), other.parameters())
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    for grad, expected in zip(our_grads, grads, strict=True):
        atol = 2e-5 * expected.abs().max().item() + 1e-6
        torch.testing.assert_close(grad.double(), expected, rtol=2e-4, atol=atol)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name].to(value.dtype), value, rtol=1e-5, atol=1e-6)


@pytest.mark.reference
@pytest.mark.parametrize("kernel, dilation", [(5, 1), (5, 2), (3, 2), (3, 4)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["symmetric", "same"])
@pytest.mark.parametrize("channels, size", [(2, (7, 10)), (16, (8, 8)), (24, (33, 5)), (200, (6, 11)), (48, (2, 2))])
def test_filter_is_pytorchs(kernel, dilation, stride, padding, channels, size):
    conv = Conv2d(channels, channels, kernel, stride=stride, dilation=dilation, groups=channels, padding=padding)
    x = channels_last(2, channels, *size)
    padded = conv._pad_same(x) if conv.same else x
    assert kernels.serves_filter(padded, conv)
    ours, our_grads = gradients(conv, x, [conv.weight])
    reference = copy.deepcopy(conv).double()
    theirs, grads = gradients(lambda x: reference(x.double()), x, [reference.weight])
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    for grad, expected in zip(our_grads, grads, strict=True):
        torch.testing.assert_close(grad.double(), expected.double(), rtol=1e-4, atol=1e-4)


@pytest.mark.reference
@pytest.mark.parametrize("inputs, outputs", [(3, 4), (16, 64), (40, 40), (72, 24)])
@pytest.mark.parametrize("bias", [False, True])
def test_pointwise_is_pytorchs(inputs, outputs, bias):
    conv, x = Conv2d(inputs, outputs, bias=bias), channels_last(3, inputs, 5, 7)
    assert kernels.serves_pointwise(x, conv)
    ours, our_grads = gradients(conv, x, conv.parameters())
    reference = nn.Conv2d(inputs, outputs, 1, bias=bias)
    reference.load_state_dict(conv.state_dict())
    theirs, grads = gradients(reference, x, reference.parameters())
    assert torch.equal(ours, theirs)
    for grad, expected in zip(our_grads, grads, strict=True):
        torch.testing.assert_close(grad, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.reference
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (5, 72, 9, 9), (1, 200, 1, 2)], ids=str)
def test_squeeze_excite_is_pytorchs(shape, monkeypatch):
    layer, x = SqueezeExcite(shape[1], 8), channels_last(*shape)
    assert kernels.serves_gate(x)
    ours, our_grads = gradients(layer, x, layer.parameters())
    assert layer(x.requires_grad_()).grad_fn.name().startswith("_Excite")
    monkeypatch.setattr(kernels, "_library", lambda: None)
    theirs, grads = gradients(layer, x, layer.parameters())
    torch.testing.assert_close(ours, theirs)
    for grad, expected in zip(our_grads, grads, strict=True):
        torch.testing.assert_close(grad, expected, rtol=1e-4, atol=1e-5)


def test_gradients_twice_from_one_graph():
    layer, x = SqueezeExcite(8, 4), channels_last(2, 8, 3, 3).requires_grad_()
    out = layer(x).square().sum()
    first, = torch.autograd.grad(out, x, retain_graph=True)
    assert torch.equal(first, torch.autograd.grad(out, x)[0])


@pytest.mark.reference
def test_a_map_that_no_cache_holds():
    """It is written in another way; 20 channels do not fill its vectors."""
    x, norm = channels_last(2, 20, 700, 600), norm_layer(20)
    other = copy.deepcopy(norm).double()
    ours, (our_grad,) = gradients(lambda x: kernels.norm_act(x, norm, None), x, [])
    theirs, (grad,) = gradients(other, x.double(), [])
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(our_grad.double(), grad, rtol=1e-4, atol=1e-5)


def test_many_rows_keep_their_variance():
    """A mean a thousand times the deviation: sums of squares alone would lose it."""
    x = channels_last(4, 16, 64, 64) + 1000
    norm = nn.BatchNorm2d(16, momentum=1.0)
    kernels.norm_act(x, norm, None)
    torch.testing.assert_close(norm.running_var, x.double().var((0, 2, 3)).float(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("act", ACTS)
def test_nan_comes_through(act):
    x = channels_last(2, 8, 3, 3)
    x[0, 5, 1, 1] = math.nan
    out = kernels.norm_act(x, norm_layer(8), act_layer(act))
    assert out[:, 5].isnan().all() and not out[:, :5].isnan().any()


def test_a_gradient_of_another_memory_order():
    """A sum's gradient is one number for all; a permuted map's lies in another order."""
    x = channels_last(2, 8, 5, 6).requires_grad_()
    norm = norm_layer(8)
    for layer in (lambda x: kernels.norm_act(x, norm, None), Conv2d(8, 8, 5, groups=8)):
        expanded, = torch.autograd.grad(layer(x).sum(), x)
        ordered, = torch.autograd.grad(layer(x).contiguous().flatten().sum(), x)
        torch.testing.assert_close(expanded, ordered)


def test_where_pytorchs_layers_stay():
    x, norm, relu = channels_last(2, 8, 5, 5), norm_layer(8), nn.ReLU()
    assert kernels.serves_norm(x, norm, relu)
    assert not kernels.serves_norm(x.contiguous(), norm, relu)
    assert not kernels.serves_norm(x.double(), norm, relu)
    assert not kernels.serves_norm(x.to("meta"), norm, relu)
    assert not kernels.serves_norm(channels_last(1, 8, 1, 1), norm, relu)  # PyTorch's error names it
    assert not kernels.serves_norm(x, norm, nn.Hardsigmoid())
    assert not kernels.serves_norm(x, nn.SyncBatchNorm(8), relu)
    assert not kernels.serves_norm(x, nn.BatchNorm2d(8, track_running_stats=False), relu)
    assert not kernels.serves_norm(x, norm.eval(), relu)
    conv = Conv2d(8, 8, 5, groups=8)
    assert kernels.serves_filter(x, conv)
    assert not kernels.serves_filter(x, Conv2d(8, 8, 3, groups=8))
    assert not kernels.serves_filter(x, Conv2d(8, 8, 5))
    with torch.no_grad():
        assert not kernels.serves_filter(x, conv)
    with torch.autocast("cpu", torch.bfloat16):
        assert not kernels.serves_filter(x, conv)


def test_without_a_compiler_the_layer_is_pytorchs(monkeypatch):
    x, layer = channels_last(2, 8, 9, 9), ConvNormAct(8, 8, 5, groups=8, act="hswish")
    other = copy.deepcopy(layer)
    ours, our_grads = gradients(layer, x, layer.parameters())
    monkeypatch.setattr(kernels, "_library", lambda: None)
    theirs, grads = gradients(other, x, other.parameters())
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert not torch.equal(our_grads[0], grads[0])  # the last bits tell that two programs ran
    for grad, expected in zip(our_grads, grads, strict=True):
        torch.testing.assert_close(grad, expected, rtol=2e-4, atol=1e-4)


def test_the_same_numbers_again():
    x, layer = channels_last(4, 72, 40, 40), ConvNormAct(72, 72, 5, groups=72, act="hswish")
    first, grads = gradients(copy.deepcopy(layer), x, [])
    again, others = gradients(copy.deepcopy(layer), x, [])
    assert torch.equal(first, again) and torch.equal(grads[0], others[0])


def test_fewer_threads_than_asked_for():
    """OpenMP may give fewer; no row may be left out."""
    program = """
import torch
from torch import nn
from densevision import kernels
torch.set_num_threads(6)
x = torch.randn(4, 16, 9, 9).contiguous(memory_format=torch.channels_last).requires_grad_()
norm = nn.BatchNorm2d(16)
out = kernels.norm_act(x, norm, None)
torch.testing.assert_close(out, nn.BatchNorm2d(16)(x))
out.sum().backward()
torch.testing.assert_close(norm.bias.grad, torch.full((16,), 4 * 81.0))
"""
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "OMP_THREAD_LIMIT": "2"}, check=True)


def test_a_norm_in_training_evaluates_with_what_it_learnt():
    layer = ConvNormAct(4, 8, act="relu")
    for _ in range(3):
        layer(channels_last(2, 4, 6, 6))
    x = channels_last(2, 4, 6, 6)
    conv, norm, _ = layer.eval()
    expected = F.relu(F.batch_norm(conv(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-3))
    torch.testing.assert_close(layer(x), expected)
