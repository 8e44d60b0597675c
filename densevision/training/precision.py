"""Mixed precision: the network in bf16 or fp16, weights, losses and the optimizer in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer

from densevision.errors import UserError

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = tuple(_TYPES)
_KEY = "config, optim_wrapper.amp"


class Precision:
    """The type that the network computes in, and the scale of the loss that fp16 needs.

    bf16 has the range of float32, and needs no scale. fp16 multiplies the loss, so that small gradients do not become
    0, and divides the gradients; where these overflow, the step is skipped and the scale halved.

    Args:
        name: "bf16", "fp16" or None for float32.
        loss_scale: "dynamic" (also None), or options of ``torch.amp.GradScaler``; for fp16 only.
        device: type of the device, "cpu" or "cuda".
    Raises:
        UserError: another name, or a scale of the loss that is unknown or would not be used.
    """

    def __init__(self, name: str | None, loss_scale: str | dict | None, device: str):
        _check_name(name)
        _check_scale(name, loss_scale)
        self.name, self.device = name, device
        options = loss_scale if isinstance(loss_scale, dict) else {}
        self._scaler = torch.amp.GradScaler(device, **options) if name == "fp16" else None

    def autocast(self) -> AbstractContextManager:
        """Return the context of the forward pass."""
        return nullcontext() if self.name is None else torch.autocast(self.device, _TYPES[self.name])

    def scale(self, loss: Tensor) -> Tensor:
        """Multiply the loss."""
        return loss if self._scaler is None else self._scaler.scale(loss)

    def unscale(self, optimizer: Optimizer) -> None:
        """Divide the gradients."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)

    def update(self) -> None:
        """Adapt the scale to whether the gradients of this step were finite."""
        if self._scaler is not None:
            self._scaler.update()

    def counts(self, bad: Tensor) -> Tensor:
        """Whether a gradient that is not finite is a fault: in fp16 not while the scale can still fall."""
        scale = None if self._scaler is None else self._scaler._scale
        return bad if scale is None else bad & (scale <= 1)

    def state_dict(self) -> dict:
        """Return ``loss_scaler``, or nothing."""
        return {} if self._scaler is None else {"loss_scaler": self._scaler.state_dict()}

    def load_state_dict(self, state: dict | None) -> None:
        """Load the state of the loss scale, if there is one on both sides."""
        if self._scaler is not None and state:
            self._scaler.load_state_dict(state)


def check_precision(name: object, device: str) -> None:
    """Check the value of ``amp``, and that a device computes in this type.

    Raises:
        UserError: it is no type of ``PRECISIONS``, or the device does not.
    """
    _check_name(name)
    if name == "fp16" and device != "cuda":
        raise UserError(f"{_KEY} (--amp) is 'fp16', which needs a CUDA GPU, and torch finds none; give 'bf16' or None")
    if name == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(f"{_KEY} (--amp) is 'bf16', in which this GPU does not compute; give 'fp16'")


def _check_scale(name: str | None, loss_scale: str | dict | None) -> None:
    if loss_scale is not None and name != "fp16":
        raise UserError('config, optim_wrapper.loss_scale is for optim_wrapper.amp = "fp16"; remove it, or set that')
    if isinstance(loss_scale, str) and loss_scale != "dynamic":
        raise UserError(f'config, optim_wrapper.loss_scale is {loss_scale!r}; give "dynamic", or a dict of options')


def _check_name(name: object) -> None:
    if name is not None and name not in PRECISIONS:
        raise UserError(f"{_KEY} is {name!r}; give {' or '.join(map(repr, PRECISIONS))}, or None for float32")
