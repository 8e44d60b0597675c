"""The loss on the val data, from the forward pass of the evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

VAL_LOSS = "val_loss"  # name of the figure


class ValLossHook(Hook):
    """Compute the loss of each evaluation of a training, the mean over its images.

    A model has one if it has a ``head`` and a method ``val_loss(what the head returned, samples)``, which returns a
    dict of losses, and if all val images have ground truth. The evaluation itself, its metrics and the training do
    not change: nothing is computed twice, nothing is random.

    Attributes:
        value: of the latest evaluation; None without.
    """

    def __init__(self) -> None:
        self.value: float | None = None
        self._outputs: Any = None
        self._sum, self._images = 0.0, 0

    def before_val_epoch(self, runner: Runner) -> None:
        """Record from here on what the head returns."""
        self._sum, self._images, self.value = 0.0, 0, None
        model = _model(runner)
        if runner.training and hasattr(model, "val_loss"):
            handle = model.head.register_forward_hook(self._record)
            runner.on_exit.callback(handle.remove)  # if a signal ends the evaluation
            self._handle = handle

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: Sequence | None = None
    ) -> None:
        """Add the loss of a batch."""
        head_outputs, self._outputs = self._outputs, None
        if head_outputs is None or not outputs or not all("gt" in sample for sample in outputs):
            return
        with torch.no_grad():
            total = float(sum(_model(runner).val_loss(head_outputs, outputs).values()))
        if math.isfinite(total):
            self._sum, self._images = self._sum + total * len(outputs), self._images + len(outputs)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, object] | None = None) -> None:
        """Average over the images of all processes."""
        if not runner.training or not hasattr(_model(runner), "val_loss"):
            return
        self._handle.remove()
        both = torch.tensor([self._sum, float(self._images)], dtype=torch.float64)
        all_reduce(both)
        self.value = float(both[0] / both[1]) if both[1] else None

    def _record(self, head: nn.Module, inputs: object, outputs: object) -> None:
        self._outputs = outputs


def val_loss_of(runner: Runner) -> dict[str, float]:
    """Return the loss of the latest evaluation as ``val_loss``; empty without."""
    for hook in runner.hooks:
        if isinstance(hook, ValLossHook) and hook.value is not None:
            return {VAL_LOSS: hook.value}
    return {}


def _model(runner: Runner) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
