"""RMSProp as TensorFlow computes it: by hand, and against timm's."""

import math

import pytest
import torch

from densevision.errors import UserError
from densevision.training.rmsprop import RMSpropTF

GRADIENTS = (2.0, -1.0, 4.0)


def run(weight, gradients, optimizer):
    found = []
    for gradient in gradients:
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
        found.append(weight.item())
    return found


def test_three_steps():
    # decay 0.5, momentum 0.5, rate 0.1, epsilon 1, weight 1, average of squares 1:
    # g = 2:  average 0.5 + 2 = 2.5      step 0.2 / sqrt(3.5)
    # g = -1: average 1.25 + 0.5 = 1.75  step half of that - 0.1 / sqrt(2.75)
    # g = 4:  average 0.875 + 8 = 8.875  step half of that + 0.4 / sqrt(9.875)
    first = 0.2 / math.sqrt(3.5)
    second = first / 2 - 0.1 / math.sqrt(2.75)
    third = second / 2 + 0.4 / math.sqrt(9.875)
    wanted = [1 - first, 1 - first - second, 1 - first - second - third]
    weight = torch.nn.Parameter(torch.tensor(1.0))
    found = run(weight, GRADIENTS, RMSpropTF([weight], lr=0.1, decay=0.5, momentum=0.5, eps=1.0))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_weight_decay_and_a_start_at_zero():
    # gradient 2 + 0.5 * 4 = 4; average 0.1 * 16 = 1.6, step 0.1 * 4 / sqrt(1.6 + 0.9)
    weight = torch.nn.Parameter(torch.tensor(4.0))
    optimizer = RMSpropTF([weight], eps=0.9, weight_decay=0.5, initial_square=0.0)
    assert run(weight, [2.0], optimizer) == pytest.approx([4 - 0.4 / math.sqrt(2.5)], abs=1e-6)


def test_a_change_of_the_rate_keeps_the_momentum():
    weight = torch.nn.Parameter(torch.tensor(0.0))
    optimizer = RMSpropTF([weight], lr=1.0, decay=1.0, momentum=0.5, eps=3.0)  # divides by 2
    run(weight, [2.0], optimizer)
    optimizer.param_groups[0]["lr"] = 0.0
    assert run(weight, [2.0], optimizer) == pytest.approx([-1.5])  # the step of 1 is repeated by half


def test_it_continues_from_its_state():
    weights = [torch.nn.Parameter(torch.tensor(1.0)) for _ in range(2)]
    first, second = (RMSpropTF([weight]) for weight in weights)
    run(weights[0], GRADIENTS, first)
    run(weights[1], GRADIENTS[:2], second)
    continued = RMSpropTF([weights[1]])
    continued.load_state_dict(second.state_dict())
    run(weights[1], GRADIENTS[2:], continued)
    assert torch.equal(*weights)


@pytest.mark.parametrize("options", [dict(decay=1.1), dict(eps=0.0), dict(momentum=-1), dict(weight_decay=-1e-5)])
def test_wrong_values_are_refused(options):
    with pytest.raises(UserError, match=f"optimizer.{next(iter(options))} is"):
        RMSpropTF([torch.nn.Parameter(torch.zeros(1))], **options)


@pytest.mark.reference
def test_it_equals_timms():
    timm = pytest.importorskip("timm.optim")
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2)]
    ours = RMSpropTF([weights[0]], lr=0.05, eps=1e-3, weight_decay=1e-2)
    theirs = timm.RMSpropTF([weights[1]], lr=0.05, alpha=0.9, momentum=0.9, eps=1e-3, weight_decay=1e-2)
    torch.manual_seed(0)
    for _ in range(20):
        gradient = torch.randn(7)
        for weight, optimizer in ((weights[0], ours), (weights[1], theirs)):
            weight.grad = gradient.clone()
            optimizer.step()
    error = (weights[0] - weights[1]).abs().max().item()
    assert error < 1e-6, error
