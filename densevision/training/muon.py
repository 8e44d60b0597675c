"""Muon for the kernels that mix channels, AdamW for all other weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from densevision.registry import OPTIMIZERS
from densevision.structures import check_range

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = (3, 2)  # Newton-Schulz iterations
_ROOT_MEAN_SQUARE = 0.2  # of a step at lr 1, about that of AdamW, so that both take the same rate and decay


@OPTIMIZERS.register_module()
class MuonAdamW(AdamW):
    """Step all directions of a kernel equally far, instead of mostly along the few that dominate its gradient.

    This is for kernels with more than one input channel: 1x1 convolutions, the first convolution, and linear layers.
    Each is a matrix of output channels by the rest. For gradient g, rate lr and weights w of m rows and n columns::

        average = momentum * average + (1 - momentum) * g
        step = orthogonalize((1 - momentum) * g + momentum * average)
        w = w - lr * (0.2 * sqrt(max(m, n)) * step + weight_decay * w)

    Depthwise kernels, norms and biases are stepped by AdamW with the same rate and decay.

    Args:
        params: tensors, or groups of them.
        lr: learning rate.
        betas: AdamW's, for the other weights.
        eps: AdamW's.
        weight_decay: times rate and weights, is subtracted from the weights.
        momentum: share of the old average that is kept, 0..1.
    Source: Jordan et al. 2024 (Muon); Liu et al. 2025, "Muon is Scalable for LLM Training" (the factor 0.2 * sqrt).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        momentum: float = 0.95,
    ):
        check_range("optimizer.momentum", momentum, low=0, high=1)
        self.momentum = momentum
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        matrices = [
            (weights, weights.grad, group)
            for group in self.param_groups
            for weights in group["params"]
            if weights.grad is not None and weights.ndim > 1 and weights.shape[1] > 1
        ]
        for weights, gradient, group in matrices:
            self._step_matrix(weights, gradient, group)
            weights.grad = None  # AdamW skips what has none
        super().step()
        for weights, gradient, _ in matrices:
            weights.grad = gradient
        return loss

    @torch.no_grad()
    def _step_matrix(self, weights: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weights]
        if not state:  # AdamW, which loads the state, expects a number of steps
            state.update(step=torch.zeros(()), average=torch.zeros_like(weights))
        average = state["average"].lerp_(gradient, 1 - self.momentum)
        step = orthogonalize(gradient.lerp(average, self.momentum).flatten(1))
        rate = group["lr"] * _ROOT_MEAN_SQUARE * math.sqrt(max(step.shape))
        weights.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step.reshape(weights.shape), alpha=rate)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Move the singular values of a matrix [m, n] near 1, to about 0.7 to 1.2; zeros stay zeros.

    The iterations act on the product of the matrix with its transpose, which is the smaller square. After the first
    three, the matrix is multiplied and the product computed anew: the rounding of small singular values would grow
    over all five, with 16 bits far beyond 1.

    Source: Jordan et al. 2024: five Newton-Schulz iterations with the polynomial 3.4445 x - 4.775 x^3 + 2.0315 x^5.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for iterations in _ROUNDS:
        x = _iterate(x @ x.T, iterations) @ x
    return x.T if tall else x


def _iterate(square: Tensor, iterations: int) -> Tensor:
    """Return the matrix by which the iterations multiply x, from the product of x with its transpose."""
    factor = step = _polynomial(square)
    for _ in range(iterations - 1):
        square = step @ square @ step
        step = _polynomial(square)
        factor = step @ factor
    return factor


def _polynomial(square: Tensor) -> Tensor:
    first, third, fifth = _COEFFICIENTS
    found = torch.addmm(square, square, square, beta=third, alpha=fifth)
    found.diagonal().add_(first)
    return found
