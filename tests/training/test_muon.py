"""Muon with AdamW: by hand, against PyTorch's two optimizers, and over a resume."""

import math

import pytest
import torch
from torch import nn

from densevision.errors import UserError
from densevision.training.muon import MuonAdamW, orthogonalize


def polynomial(x):
    for _ in range(5):
        x = 3.4445 * x - 4.775 * x**3 + 2.0315 * x**5
    return x


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1, bias=False)
    )


def train(model, optimizer, steps, start=0):
    for number in range(start, start + steps):
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
def test_singular_values_follow_the_polynomial(shape):
    # The values 3 and 4 of a norm of 5 are 0.6 and 0.8.
    matrix = torch.zeros(shape)
    matrix[0, 0], matrix[1, 1] = 3.0, -4.0
    wanted = torch.zeros(shape)
    wanted[0, 0], wanted[1, 1] = polynomial(0.6), -polynomial(0.8)
    torch.testing.assert_close(orthogonalize(matrix), wanted, atol=1e-5, rtol=0)
    assert orthogonalize(torch.zeros(shape)).eq(0).all()


@pytest.mark.parametrize("shape", [(16, 16), (64, 8), (8, 27)])
def test_singular_values_end_near_1(shape):
    values = torch.linalg.svdvals(orthogonalize(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert values.max() < 1.25
    assert values.median() > 0.65


def test_nearly_dependent_rows_lose_little_to_rounding():
    # Singular values of 1 to 1e-6, against the iteration over the whole matrix in float64.
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(rows, 16, generator=generator, dtype=torch.float64) for rows in (16, 96))
    matrix = torch.linalg.qr(left).Q * torch.logspace(0, -6, 16) @ torch.linalg.qr(right).Q.T
    wanted = matrix / matrix.norm()
    for _ in range(5):
        square = wanted @ wanted.T
        wanted = 3.4445 * wanted + (2.0315 * square @ square - 4.775 * square) @ wanted
    assert (orthogonalize(matrix.float()) - wanted).norm() < 2e-3 * wanted.norm()


def test_one_step_of_a_kernel():
    # Kernel [2, 2, 1, 1], gradient diag(3, 4): its singular values become p(0.6) and p(0.8), whatever its length.
    # rate 0.1 * 0.2 * sqrt(2); decay 0.1 * 0.5 of the weights.
    weights = nn.Parameter(torch.ones(2, 2, 1, 1))
    weights.grad = torch.tensor([[3.0, 0.0], [0.0, 4.0]])[:, :, None, None]
    MuonAdamW([weights], lr=0.1, weight_decay=0.5).step()
    rate = 0.1 * 0.2 * math.sqrt(2)
    wanted = torch.tensor([[0.95 - rate * polynomial(0.6), 0.95], [0.95, 0.95 - rate * polynomial(0.8)]])
    torch.testing.assert_close(weights.data[..., 0, 0], wanted, atol=1e-5, rtol=0)


def test_the_second_step_has_the_average():
    # Gradients diag(1, 0), then diag(0, 1), momentum 0.5: averages diag(0.5, 0) and diag(0.25, 0.5); the step is along
    # half of the gradient and half of the average, diag(0.125, 0.75).
    weights = nn.Parameter(torch.zeros(2, 2))
    optimizer = MuonAdamW([weights], lr=1.0, weight_decay=0.0, momentum=0.5)
    for index in (0, 1):
        before = weights.detach().clone()
        weights.grad = torch.zeros(2, 2)
        weights.grad[index, index] = 1.0
        optimizer.step()
    norm = math.hypot(0.125, 0.75)
    wanted = -0.2 * math.sqrt(2) * torch.tensor([polynomial(0.125 / norm), polynomial(0.75 / norm)])
    torch.testing.assert_close((weights - before).diagonal(), wanted, atol=1e-5, rtol=0)


def test_the_rest_is_pytorchs_adamw():
    models = [network(), network()]
    rest = [[p for p in model.parameters() if p.ndim == 1 or p.shape[1] == 1] for model in models]
    assert [len(each) for each in rest] == [5, 5]  # biases of two convolutions, the norm's two, the depthwise kernel
    optimizers = [MuonAdamW(rest[0], lr=0.01), torch.optim.AdamW(rest[1], lr=0.01)]
    for model, optimizer in zip(models, optimizers, strict=True):
        train(model, optimizer, 3)
    assert all(torch.equal(*pair) for pair in zip(*rest, strict=True))


def test_gradients_stay_and_layers_without_one_are_skipped():
    model = network()
    model[0].weight.requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    train(model, MuonAdamW(model.parameters(), lr=0.01), 1)
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert changed == [False, True, True, True, True, True, True]
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_it_continues_from_its_state():
    whole, parts = network(), network()
    train(whole, MuonAdamW(whole.parameters(), lr=0.01), 4)
    first = MuonAdamW(parts.parameters(), lr=0.01)
    train(parts, first, 2)
    second = MuonAdamW(parts.parameters(), lr=0.01)
    second.load_state_dict(first.state_dict())
    train(parts, second, 2, start=2)
    assert all(torch.equal(*pair) for pair in zip(whole.parameters(), parts.parameters(), strict=True))


@pytest.mark.parametrize("momentum", [-0.1, 1.5, float("nan")])
def test_wrong_values_are_refused(momentum):
    with pytest.raises(UserError, match="optimizer.momentum is"):
        MuonAdamW([nn.Parameter(torch.zeros(1))], momentum=momentum)


@pytest.mark.reference
@pytest.mark.parametrize("shape", [(16, 24), (24, 16)])
def test_it_equals_pytorchs_muon(shape):
    """PyTorch takes matrices only, and computes their step in bfloat16."""
    torch.manual_seed(0)
    start = torch.randn(shape)
    weights = [nn.Parameter(start.clone()), nn.Parameter(start.clone())]
    ours = MuonAdamW([weights[0]], lr=0.05, weight_decay=0.1)
    theirs = torch.optim.Muon([weights[1]], lr=0.05, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        gradient = torch.randn(shape)
        for weight, optimizer in zip(weights, (ours, theirs), strict=True):
            weight.grad = gradient.clone()
            optimizer.step()
    moved = (weights[0] - start).norm().item()
    error = (weights[0] - weights[1]).norm().item()
    assert error < 0.02 * moved, (error, moved)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rank", [1, 5, 48])
def test_rounding_does_not_grow_in_16_bits(kind, rank):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(48, rank, generator=generator) @ torch.randn(rank, 96, generator=generator)
    step = orthogonalize(matrix.to(kind))
    assert step.dtype == kind and torch.linalg.svdvals(step.double()).max() < 1.25
