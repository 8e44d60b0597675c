"""An optimizer wrapper that skips non-finite batches, and a constructor that decays the right weights."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from densevision.errors import UserError
from densevision.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from densevision.structures import check_range
from densevision.training import deferred
from densevision.training.deferred import HISTORY, FiniteBuffer, Snapshot, record
from densevision.training.precision import Precision

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


@OPTIM_WRAPPERS.register_module()
class GuardedOptimWrapper(OptimWrapper):
    """Skip a batch whose loss or gradient is not finite in any process; nothing that is learned changes.

    A GPU does not wait for the decision: it takes the step, and restores weights, the optimizer's state and the norms'
    statistics where the batch was not finite. Which batches were skipped is found when ``read_skips`` is called. Only
    the first step of each parameter waits, because the optimizer has no state before. A CPU takes no such step.

    Args:
        amp: "bf16" or "fp16" computes the network in this type, on a device that has it; None in float32.
        loss_scale: of "fp16": "dynamic", which is the default, or the options of ``torch.amp.GradScaler``.
    Raises:
        UserError: ``amp`` or ``loss_scale`` has another value, or a ``loss_scale`` would not be used.
    Attributes:
        skipped: bool scalar on the device, whether the last batch was skipped.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
        amp: str | None = None,
        loss_scale: str | dict | None = None,
    ):
        super().__init__(optimizer, accumulative_counts, clip_grad)
        self.precision = Precision(amp, loss_scale, optimizer.param_groups[0]["params"][0].device.type)
        self.skipped: Tensor | None = None
        self._statistics = Snapshot(())
        self.skips = Skips()
        self._stepped: set[int] = set()  # parameters, by id, that the optimizer has stepped
        self._bad: Tensor | None = None  # whether a batch since the last step was not finite
        self._keep_counts_on_device()

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Copy the statistics that the forward pass is about to change; compute it in the type of ``amp``."""
        self._statistics = Snapshot(model.buffers())
        with super().optim_context(model), self.precision.autocast():
            yield

    def update_params(self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None) -> None:
        """Back-propagate and step, or skip."""
        bad = torch.logical_not(torch.isfinite(loss.detach())).int()
        all_reduce(bad, op="max")
        loss_is_bad = bad.bool()
        self._bad = loss_is_bad if self._bad is None else self._bad | loss_is_bad
        super().update_params(loss, step_kwargs, zero_kwargs)
        self._statistics.restore_where(self._bad)
        self.skipped = self._bad
        self.skips.add(self.message_hub.get_info("iter", 0) + 1, loss_is_bad | self.precision.counts(self._bad))
        if self.should_update():
            self._bad = None

    def backward(self, loss: Tensor, **kwargs: object) -> None:
        """Back-propagate the loss, scaled for fp16."""
        super().backward(self.precision.scale(loss), **kwargs)

    def step(self, **kwargs: object) -> None:
        """Step the optimizer if the gradient is finite; after DDP it is the same in all processes."""
        parameters = self._with_gradient()
        self.precision.unscale(self.optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        bad = torch.logical_not(torch.isfinite(norm))
        self._bad = bad if self._bad is None else bad | self._bad
        if deferred.waits(self._bad) and self._stepped.issuperset(map(id, parameters)):
            before = Snapshot(self._state_of(parameters))
            super().step(**kwargs)
            before.restore_where(self._bad)
        elif not self._bad:
            super().step(**kwargs)
            self._stepped.update(map(id, parameters))
        self.precision.update()

    def read_skips(self) -> None:
        """Wait for the device, and report the skipped batches.

        Raises:
            NotFiniteError: several batches in a row were not finite.
        """
        self.skips.read()

    @property
    def bad_in_a_row(self) -> int:
        """Number of skipped batches since the last one that was not; reading it waits for the device."""
        self.skips.read()
        return self.skips.in_a_row

    @bad_in_a_row.setter
    def bad_in_a_row(self, number: int) -> None:
        self.skips = Skips(number)

    def state_dict(self) -> dict:
        """Return the optimizer's state, and that of the loss scale."""
        return {**super().state_dict(), **self.precision.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        """Load what ``state_dict`` returned, also that of a training in another precision."""
        self.precision.load_state_dict(state_dict.pop("loss_scaler", None))
        super().load_state_dict(state_dict)
        self._stepped.clear()  # the loaded state may lack parameters that were stepped before
        self._keep_counts_on_device()

    def _with_gradient(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]

    def _state_of(self, parameters: Iterable[Tensor]) -> Iterator[Tensor]:
        for parameter in parameters:
            yield parameter
            yield from (v for v in self.optimizer.state.get(parameter, {}).values() if isinstance(v, Tensor))

    def _keep_counts_on_device(self) -> None:
        """Let Adam and its relatives count their steps on the GPU, where a skipped one can be undone."""
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if "capturable" in group and parameter.is_cuda:
                    group["capturable"] = True
                    state = self.optimizer.state.get(parameter, {})
                    if isinstance(state.get("step"), Tensor):
                        state["step"] = state["step"].to(parameter.device)

    def _clip_grad(self) -> None:
        parameters = self._with_gradient()
        norm = self.clip_func(parameters, **self.clip_grad_kwargs) if parameters else None
        if norm is not None:  # clip_grad_value_ returns None
            record(self.message_hub, f"train/{self.grad_name}", norm, FiniteBuffer)


class Skips:
    """Which batches were not finite; the device's answers are read together.

    Args:
        in_a_row: skipped batches before the first one that is added.
    """

    def __init__(self, in_a_row: int = 0):
        self.in_a_row = in_a_row
        self._pending: list[tuple[int, Tensor]] = []

    def add(self, iteration: int, bad: Tensor) -> None:
        """Add a batch: its iteration, counted from 1, and the bool scalar whether it was skipped."""
        self._pending.append((iteration, bad.reshape(())))
        if len(self._pending) >= HISTORY:
            self.read()

    def read(self) -> None:
        """Report the skipped batches among those that were added.

        Raises:
            NotFiniteError: several in a row.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        for (iteration, _), bad in zip(pending, torch.stack([flag for _, flag in pending]).tolist(), strict=True):
            self._count(iteration, bad=bad)

    def _count(self, iteration: int, *, bad: bool) -> None:
        self.in_a_row = self.in_a_row + 1 if bad else 0
        if self.in_a_row >= MAX_BAD:
            message = f"iteration {iteration}: loss or gradient was not finite {MAX_BAD} times in a row"
            raise NotFiniteError(message, iteration - MAX_BAD + 1)
        if bad:
            print_log(f"iteration {iteration}: loss or gradient not finite, batch skipped", "current", logging.WARNING)


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
