"""The moving average of the weights."""

from __future__ import annotations

import torch
from mmengine.hooks import EMAHook as _EMAHook
from mmengine.model.averaged_model import ExponentialMovingAverage, MomentumAnnealingEMA
from mmengine.runner import Runner

from densevision.registry import HOOKS
from densevision.training import deferred
from densevision.training.deferred import Snapshot


@HOOKS.register_module()
class EMAHook(_EMAHook):
    """Average as mmengine's hook does, all tensors at once; a skipped batch leaves the average as it is.

    mmengine reads the number of updates from a tensor, several times per tensor and step; here it is counted.
    """

    _updates: int | None = None  # of the average; None: to be read from it

    def before_run(self, runner: Runner) -> None:
        """Copy the model."""
        super().before_run(runner)
        self._updates = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Load the average."""
        super().after_load_checkpoint(runner, checkpoint)
        self._updates = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        """Update the average, unless the batch was skipped."""
        skipped = getattr(runner.optim_wrapper, "skipped", None)
        if skipped is None or not self._ema_started(runner):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            return
        if self._updates is None:
            self._updates = int(self.ema_model.steps)
        if deferred.waits(skipped):
            before = Snapshot(self.ema_model.module.state_dict().values())
            self._update()
            before.restore_where(skipped)
        elif skipped:
            self.ema_model.steps += 1
        else:
            self._update()
        self._updates += 1

    def _update(self) -> None:
        average = self.ema_model
        momentum = self._momentum()
        if self._updates and momentum is not None:
            source = self.src_model.state_dict()
            names = [name for name, tensor in average.avg_parameters.items() if tensor.is_floating_point()]
            averages = [average.avg_parameters[name].data for name in names]
            torch._foreach_lerp_(averages, [source[name].data for name in names], momentum)
            average.steps += 1
        else:
            average.update_parameters(self.src_model)

    def _momentum(self) -> float | None:
        """Return the weight of this update; None where mmengine must compute the average."""
        average = self.ema_model
        if not average.update_buffers or average.interval != 1:
            return None
        if type(average) is MomentumAnnealingEMA:
            return max(average.momentum, average.gamma / (average.gamma + (self._updates or 0)))
        return average.momentum if type(average) is ExponentialMovingAverage else None
