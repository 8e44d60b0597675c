"""Optimizer wrappers that skip non-finite batches, and a constructor that decays the right weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn

from densevision.errors import UserError
from densevision.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from densevision.structures import check_range

_KEYS = "optim_wrapper.paramwise_cfg.custom_keys"
_OTHER = "constructor='DefaultOptimWrapperConstructor'"
MAX_BAD = 5  # skipped batches in a row before a training is given up


class NotFiniteError(UserError):
    """Several batches in a row were not finite.

    Attributes:
        first: iteration of the first such batch, counted from 1.
    """

    def __init__(self, message: str, first: int):
        super().__init__(message)
        self.first = first


class _Guard(OptimWrapper):
    """Skip a batch whose loss is not finite in any process; weights and norm statistics stay as they were."""

    bad_in_a_row = 0

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Copy the statistics that the forward pass is about to change."""
        self._statistics = [(buffer, buffer.clone()) for buffer in model.buffers()]
        with super().optim_context(model):
            yield

    def update_params(self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None) -> None:
        """Back-propagate and step, or skip.

        Raises:
            NotFiniteError: several batches in a row were not finite.
        """
        bad = torch.logical_not(torch.isfinite(loss.detach())).int()
        all_reduce(bad, op="max")
        if bad:
            self._inner_count += 1
            self._skip()
        else:
            super().update_params(loss, step_kwargs, zero_kwargs)

    def _skip(self) -> None:
        self.optimizer.zero_grad()
        for buffer, before in self._statistics:
            buffer.copy_(before)
        self.bad_in_a_row += 1
        iteration = self.message_hub.get_info("iter", 0) + 1
        if self.bad_in_a_row >= MAX_BAD:
            message = f"iteration {iteration}: loss or gradient was not finite {MAX_BAD} times in a row"
            raise NotFiniteError(message, iteration - MAX_BAD + 1)
        print_log(f"iteration {iteration}: loss or gradient not finite, batch skipped", "current", logging.WARNING)


@OPTIM_WRAPPERS.register_module()
class GuardedOptimWrapper(_Guard):
    """Skip a batch whose gradient is not finite, too."""

    def step(self, **kwargs: object) -> None:
        """Step the optimizer if the gradient is finite; after DDP it is the same in all processes."""
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            self.bad_in_a_row = 0
            super().step(**kwargs)
        else:
            self._skip()


@OPTIM_WRAPPERS.register_module()
class GuardedAmpOptimWrapper(_Guard, AmpOptimWrapper):
    """Train in mixed precision on a GPU; the loss scaler already skips non-finite gradients."""

    def step(self, **kwargs: object) -> None:
        """Step through the loss scaler."""
        self.bad_in_a_row = 0
        super().step(**kwargs)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DecayWeightsOnly:
    """Build an optimizer that decays weights of convolutions and linear layers, not norms and biases.

    Two parameter groups per learning rate; mmengine's own constructor makes one for every tensor, which is slow to
    step.

    Args:
        paramwise_cfg: may have ``custom_keys``: part of a parameter's name, such as "backbone." ->
            ``dict(lr_mult=...)``, the factor of its learning rate. Of several parts that fit, the longest counts.
    Raises:
        UserError: another setting, which ``DefaultOptimWrapperConstructor`` may know; a factor below 0; no
            learning rate to multiply; or, when it is called, a part that fits no parameter's name.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.wrapper, self.factors = dict(optim_wrapper_cfg), {}
        paramwise = {} if paramwise_cfg is None else paramwise_cfg
        if not isinstance(paramwise, dict) or set(paramwise) - {"custom_keys"}:
            raise UserError(f"optim_wrapper.paramwise_cfg takes custom_keys only; more needs {_OTHER}")
        parts = paramwise.get("custom_keys") or {}
        if not isinstance(parts, dict) or not all(isinstance(key, str) for key in parts):
            raise UserError(f"{_KEYS} is {parts!r}; give a dict of part of a name -> dict(lr_mult=...)")
        for key, options in parts.items():
            name = f"{_KEYS}[{key!r}]"
            if not isinstance(options, dict) or set(options) != {"lr_mult"}:
                raise UserError(f"{name}: give lr_mult only; more needs {_OTHER}")
            check_range(f"{name}.lr_mult", options["lr_mult"], low=0)
            self.factors[key] = float(options["lr_mult"])
        if self.factors and "lr" not in self.wrapper["optimizer"]:
            raise UserError(f"{_KEYS} multiplies the learning rate; set optim_wrapper.optimizer.lr")

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Return the wrapper around the optimizer of ``model``."""
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        parts: dict[float, list[Tensor]] = {1.0: []}  # by factor of the learning rate
        for name, parameter in trained:
            parts.setdefault(self._factor(name), []).append(parameter)
        for key in self.factors:
            if not any(key in name for name, _ in model.named_parameters()):
                raise UserError(f"{_KEYS}: no parameter has {key!r} in its name")
        groups: list[dict] = []
        for factor, parameters in parts.items():
            lr = {} if factor == 1 else dict(lr=factor * self.wrapper["optimizer"]["lr"])
            groups.append(dict(params=[parameter for parameter in parameters if parameter.ndim > 1], **lr))
            biases = [parameter for parameter in parameters if parameter.ndim <= 1]
            groups.append(dict(params=biases, weight_decay=0.0, **lr))
        optimizer = OPTIMIZERS.build(dict(self.wrapper["optimizer"], params=groups))
        return OPTIM_WRAPPERS.build(dict(self.wrapper, optimizer=optimizer))

    def _factor(self, name: str) -> float:
        fitting = [key for key in self.factors if key in name]
        return self.factors[max(fitting, key=len)] if fitting else 1.0
