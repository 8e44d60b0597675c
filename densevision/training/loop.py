"""The training loop: it counts iterations, starts at any of them, and evaluates at intervals."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from densevision.errors import UserError
from densevision.registry import LOOPS
from densevision.training.checkpoint_hook import CheckpointHook, advice_on_nan
from densevision.training.optim import GuardedOptimWrapper, NotFiniteError
from densevision.training.pace import Pace
from densevision.training.patience import PatienceHook
from densevision.training.prepare import whole_number
from densevision.training.rehearsal import rehearse, rehearse_late_step, set_progress
from densevision.training.time_limit import TimeLimit


@LOOPS.register_module()
class TrainLoop(BaseLoop):
    """Train for ``max_iters`` iterations and validate every ``val_interval`` iterations and at the end.

    An iteration is a function of the weights, the seed and its number: after a resume the sampler starts at the
    right sample, and torch's random state (dropout) is set before every step.

    Args:
        runner: the runner that owns this loop.
        dataloader: a loader with a ``SeededSampler``, or its config.
        max_iters: total iterations, including those before a resume.
        val_interval: iterations between two evaluations.
        epochs: in place of ``max_iters``: passes over the training images, also a fraction.
        val_epochs: in place of ``val_interval``: epochs between two evaluations; the default with ``epochs`` is a tenth
            of these.
        max_time: duration such as "20m", "90s" or "1h30m", to which the schedule is scaled when the training starts.
        patience: evaluations without a new best score after which the training stops; None never stops it.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_iters: int | None = None,
        val_interval: int = 1000,
        epochs: float | None = None,
        val_epochs: float | None = None,
        max_time: str | None = None,
        patience: int | None = None,
    ):
        super().__init__(runner, dataloader)
        self.max_iters = whole_number("train_cfg.max_iters", max_iters)  # the runner has converted the epochs
        self.val_interval = whole_number("train_cfg.val_interval", val_interval)
        self.limit = None if max_time is None else TimeLimit(runner, max_time)
        if patience is not None:
            runner.register_hook(PatienceHook(patience))
        self.max_epochs = 1  # mmengine's hooks read it
        self._epoch = 0
        self._iter = 0
        self._drawn, self._drawn_at = 0, 0  # samples used up to an iteration
        self._late_from: int | None = None  # of the checkpoint that this training resumes
        self._late_growth = 1.0  # of a batch's pixels
        self.stop_training = False  # mmengine's early stopping sets it
        self.waited = 0.0  # seconds that the last batch took to arrive
        self.pace = Pace()
        needed = ["start"] if self._late_after == 1 else ["start", "late_from"]
        if not all(hasattr(self.dataloader.sampler, name) for name in needed):
            kind = type(self.dataloader.sampler).__name__
            raise UserError(f"config, train_dataloader.sampler is {kind}; a training needs dict(type=SeededSampler)")
        runner.visualizer.dataset_meta = self.dataloader.dataset.metainfo

    @property
    def _late_after(self) -> float:
        return getattr(self.dataloader.dataset, "late_after", 1.0)

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._iter

    @property
    def epoch(self) -> int:
        """Always 0: only iterations are counted."""
        return self._epoch

    @property
    def val_begin(self) -> int:
        """First iteration that may be evaluated."""
        return 1

    def validates_at(self, iteration: int) -> bool:
        """Return whether an evaluation follows iteration number ``iteration``, counted from 1."""
        due = iteration % self.val_interval == 0 or iteration == self.max_iters
        return due and self.runner.val_loop is not None

    def draws_at(self, iteration: int) -> int:
        """Return the number of samples that the first ``iteration`` iterations use, over all processes."""
        return self._drawn + (iteration - self._drawn_at) * self.dataloader.batch_size * get_world_size()

    def continue_from(self, draws: int | None, late_from: int | None = None) -> None:
        """Continue after ``draws`` samples at this iteration; None: the batches always had this size.

        Args:
            late_from: the sampler's, of the checkpoint; None computes it.
        """
        self._late_from = late_from
        if draws is not None:
            self._drawn, self._drawn_at = draws, self._iter

    def run(self) -> nn.Module:
        """Train from the iteration of the runner's checkpoint, or from 0."""
        self.runner.call_hook("before_train")
        self._rehearse_evaluation()
        self._rehearse_late_step()
        if self.limit is not None and not self.runner._resume:
            self.limit.plan()
        batches = self.batches()
        if self._iter < self.max_iters:  # unreadable data are found before anything is written
            batches = itertools.chain([next(batches)], batches)
        self.runner.begin()
        if self._evaluation_was_cut_off():
            self.runner.val_loop.run()
        while self._iter < self.max_iters and not self.stop_training:
            if self.limit is not None and self.limit.adjust():
                self._plan_late(running=True)
            with self.pace.iteration():
                self.runner.model.train()
                self.run_iter(self._next(batches))
            if self.validates_at(self._iter):
                with self.pace.evaluating():
                    self.runner.val_loop.run()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_iter(self, data_batch: dict) -> None:
        """Train on one batch."""
        torch.manual_seed(_step_seed(self.runner.seed, self._iter))
        set_progress(self.runner.model, self._iter / self.max_iters)
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        if self.runner.distributed:
            average_statistics(self.runner.model)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def read_skips(self) -> None:
        """Wait for the device, and report the batches that were skipped.

        Raises:
            UserError: several in a row.
        """
        wrapper = self.runner.optim_wrapper
        try:
            if isinstance(wrapper, GuardedOptimWrapper):
                wrapper.read_skips()
        except NotFiniteError as error:
            raise UserError(f"{error}; {self._advice(error)}") from error

    def _advice(self, error: NotFiniteError) -> str:
        savers = [hook for hook in self.runner.hooks if isinstance(hook, CheckpointHook)]
        return advice_on_nan(savers[0].resume_before(self.runner, error.first) if savers else None)

    def _next(self, batches: Iterator[dict]) -> dict:
        started = time.perf_counter()
        batch = next(batches)
        self.waited = time.perf_counter() - started
        return batch

    def batches(self) -> Iterator[dict]:
        """Start the loader at the sample of this iteration."""
        # The loader reads ahead as soon as it is iterated, so the start must be set before.
        self.dataloader.sampler.start = self.draws_at(self._iter)
        self._plan_late(running=False)
        return iter(self.dataloader)

    def _plan_late(self, *, running: bool) -> None:
        """Tell the sampler which samples are late in the training, if the data set treats them differently.

        Args:
            running: the loader has read samples ahead, which stay as they are.
        """
        if self._late_after == 1:
            return
        sampler, number = self.dataloader.sampler, self.draws_at(round(self._late_after * self.max_iters))
        if running:
            sampler.move_late(number)
        else:
            sampler.late_from = number if self._late_from is None else self._late_from
        self.runner.stored_config["late_from"] = sampler.late_from

    def ahead(self, step: float) -> float:
        """Return the mean seconds of the iterations that are left if one takes ``step`` now."""
        left = self.max_iters - self._iter
        early = round(self._late_after * self.max_iters) - self._iter
        return step if early <= 0 else step * (early + (left - early) * self._late_growth) / left

    def _rehearse_late_step(self) -> None:
        self._late_growth = getattr(self.dataloader.dataset, "late_growth", 1.0)
        losses_begin = any(hasattr(module, "progress") for module in self.runner.model.modules())
        if self._late_after < 1 or losses_begin:
            rehearse_late_step(self.runner)

    def _rehearse_evaluation(self) -> None:
        if self.runner.val_loop is None:
            return
        figures = rehearse(self.runner)
        classes = getattr(self.runner.val_dataloader.dataset, "metainfo", {}).get("classes", ())
        for hook in self.runner.hooks:
            if isinstance(hook, CheckpointHook):
                hook.check_figures(figures, classes)

    def _evaluation_was_cut_off(self) -> bool:
        evaluated = self.runner.message_hub.runtime_info.get("evaluated_at", 0)
        return self._iter > 0 and evaluated != self._iter and self.validates_at(self._iter)


def average_statistics(model: nn.Module) -> None:
    """Set the running statistics of the batch norms to their mean over all processes.

    Each process sees different images; without this they evaluate, average and save different models.
    """
    endings = ("running_mean", "running_var")
    statistics = [buffer for name, buffer in model.named_buffers() if name.endswith(endings)]
    if statistics:
        together = torch.cat([buffer.flatten() for buffer in statistics])
        all_reduce(together, op="mean")
        for buffer, part in zip(statistics, together.split([b.numel() for b in statistics]), strict=True):
            buffer.copy_(part.view_as(buffer))


def _step_seed(seed: int, iteration: int) -> int:
    return int(np.random.SeedSequence([seed, iteration, get_rank()]).generate_state(1)[0])
