"""RMSProp as TensorFlow computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from densevision.registry import OPTIMIZERS
from densevision.structures import check_range


@OPTIMIZERS.register_module()
class RMSpropTF(Optimizer):
    """Divide each gradient by the root of a moving average of its square.

    It differs from ``torch.optim.RMSprop`` in three ways: epsilon is added inside the root, the average of squares
    starts at 1, so that the first steps are small, and the rate is part of the momentum, so that a change of the rate
    does not change the steps that the momentum still makes. For gradient g, rate lr and weights w::

        square = decay * square + (1 - decay) * g * g
        step = momentum * step + lr * g / sqrt(square + eps)
        w = w - step

    Args:
        params: tensors, or groups of them.
        lr: learning rate.
        decay: of the average of squares.
        momentum: share of the last step that is repeated.
        eps: added to the average of squares.
        weight_decay: times the weights, is added to the gradient.
        initial_square: the average of squares before the first step; 0 as in PyTorch.
    Source: TensorFlow's RMSPropOptimizer; rate and momentum of the paper's section 6.1.1, which does not state decay
    and epsilon.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        decay: float = 0.9,
        momentum: float = 0.9,
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        initial_square: float = 1.0,
    ):
        for name, value in (("decay", decay), ("momentum", momentum)):
            check_range(f"optimizer.{name}", value, low=0, high=1)
        for name, value in (("weight_decay", weight_decay), ("initial_square", initial_square)):
            check_range(f"optimizer.{name}", value, low=0)
        check_range("optimizer.eps", eps, low=0, with_low=False)
        self.initial_square = initial_square
        super().__init__(params, dict(lr=lr, decay=decay, momentum=momentum, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._update(weights, weights.grad, group)
        return loss

    def _update(self, weights: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[weights]
        if not state:
            state["square"] = torch.full_like(weights, self.initial_square)
            state["update"] = torch.zeros_like(weights)
        if group["weight_decay"]:
            gradient = gradient.add(weights, alpha=group["weight_decay"])
        square, update = state["square"], state["update"]
        square.mul_(group["decay"]).addcmul_(gradient, gradient, value=1 - group["decay"])
        update.mul_(group["momentum"]).addcdiv_(gradient, (square + group["eps"]).sqrt_(), value=group["lr"])
        weights.sub_(update)
