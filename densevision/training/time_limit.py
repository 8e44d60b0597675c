"""A training that ends in a given time: its schedule is scaled to the measured speed."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from densevision.checkpoints.reading import read_checkpoint
from densevision.errors import UserError
from densevision.training.changes import hyperparameters, rebuild_schedules
from densevision.training.lengths import Length, parse_duration, scale_schedule
from densevision.training.metrics import silent_copy
from densevision.training.pace import Speed, evaluations_left, fit
from densevision.training.prepare import whole_number
from densevision.training.start import length_line

if TYPE_CHECKING:
    from densevision.training.runner import DenseRunner

_TARGET = 0.95  # share of the time that is planned; the rest is for imports, files and what is not foreseen
_LATE, _EARLY = 0.03, 0.07  # shares of the time by which the end may be late or early before the schedule changes
_LEAST = 10  # iterations
_WARM_UP, _MEASURED, _MEASURED_SHARE = 2, 20, 0.03  # iterations that are not counted, that are, and their share
_VAL_BATCHES = 5  # that are timed
_SETTLED, _EVERY = 20, 5  # the iteration of the first look at the clock, and iterations between two


class TimeLimit:
    """Fits the length of a training to a time limit.

    At the start, iterations and evaluations are timed and undone. While the training runs, the schedule is scaled
    again whenever its expected end is 3 % of the time too late, or 7 % too
    early. A resumed training keeps its schedule.

    Args:
        runner: of a training that is about to start; see its ``began``.
        text: the limit, such as "20m".
    """

    def __init__(self, runner: DenseRunner, text: str):
        self.runner, self.text, self.seconds = runner, text, parse_duration("train_cfg.max_time", text)
        self._ends = runner.began + _TARGET * self.seconds
        self._evaluations = 0  # that the config wants
        self._base: Any = None  # the config before any scaling; None: the schedule stays as it is

    def plan(self) -> None:
        """Measure the speed, and scale the schedule to it.

        Raises:
            UserError: there is no time for a few iterations and one evaluation.
        """
        runner, settings = self.runner, self.runner.cfg.train_cfg
        self._base = copy.deepcopy(runner.cfg)
        speed = self._measure()
        interval = runner.train_loop.val_interval
        self._evaluations = 0 if runner.val_loop is None else math.ceil(settings.max_iters / interval)
        lengths = [self._fit(speed)]
        broadcast_object_list(lengths)
        if lengths[0].max_iters < _LEAST:
            started = time.perf_counter() - runner.began
            least = math.ceil((started + _LEAST * speed.step + speed.evaluation) / _TARGET + 1)
            raise UserError(
                f"--max-time {self.text} is too short: the start took {started:.3g} s, and {speed}; "
                f"give at least {least}s"
            )
        self._apply(lengths[0])
        runner._report([f"time limit {self.text}: {speed}", length_line(runner, evaluates=runner.val_loop is not None)])

    def adjust(self) -> bool:
        """Scale the schedule again if the training would end too early or too late; call it before an iteration.

        Returns:
            Whether it was scaled.
        """
        loop = self.runner.train_loop
        settled = loop.iter >= _SETTLED and loop.iter % _EVERY == 0
        evaluated = loop.iter > 0 and self._evaluations and loop.iter % loop.val_interval == 0
        if self._base is None or not (settled or evaluated):
            return False
        lengths = [self._refit()]
        broadcast_object_list(lengths)
        if lengths[0] is not None:
            before = loop.max_iters
            self._apply(lengths[0])
            step = f"{loop.pace.step:.3g} s per iteration now"
            text = f"iteration {loop.iter:,}, time limit {self.text}: {step}"
            self.runner._report([f"{text}: {loop.max_iters:,} iterations instead of {before:,}"])
        return lengths[0] is not None

    def _fit(self, speed: Speed) -> Length:
        evaluations = min(self._evaluations, speed.affordable(self.seconds))
        return fit(self._ends - time.perf_counter(), speed, self.runner.train_loop.iter, evaluations)

    def _refit(self) -> Length | None:
        loop, left = self.runner.train_loop, self._ends - time.perf_counter()
        now = Length(loop.max_iters, loop.val_interval)
        evaluation = loop.pace.evaluation or self._evaluation
        speed = Speed(loop.ahead(loop.pace.step), evaluation if self._evaluations else 0.0)
        expected = (now.max_iters - loop.iter) * speed.step + evaluations_left(loop.iter, now) * speed.evaluation
        if -_EARLY * self.seconds <= expected - left <= _LATE * self.seconds:
            return None
        fitted = self._fit(speed)
        return None if fitted == now else fitted

    def _apply(self, length: Length) -> None:
        runner, loop = self.runner, self.runner.train_loop
        for key in ("train_cfg", "param_scheduler", "default_hooks"):
            runner.cfg[key] = copy.deepcopy(self._base[key])
        scale_run(runner, length)
        runner.stored_config["time_limit"] = dict(max_time=self.text, **dataclasses.asdict(length))
        loop.max_iters, loop.val_interval = length.max_iters, length.val_interval
        rebuild_schedules(runner, hyperparameters(runner))

    def _measure(self) -> Speed:
        with undone(self.runner):
            step = self.runner.train_loop.ahead(self._time_steps())
            self._evaluation = 0.0 if self.runner.val_loop is None else time_evaluation(self.runner)
        return Speed(step, self._evaluation)

    def _time_steps(self) -> float:
        runner, began, seconds = self.runner, time.perf_counter(), []
        runner.model.train()
        batches = runner.train_loop.batches()
        for number in range(_WARM_UP + _MEASURED):
            step_began = time.perf_counter()
            runner.model.train_step(next(batches), optim_wrapper=runner.optim_wrapper)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - step_began)
            enough = [time.perf_counter() - began > _MEASURED_SHARE * self.seconds]
            broadcast_object_list(enough)  # every process takes the same number of steps
            if enough[0] and number > _WARM_UP:
                break
        return statistics.fmean(seconds[_WARM_UP:])


def time_evaluation(runner: Runner) -> float:
    """Estimate the seconds of an evaluation from its first batches."""
    loop, times = runner.val_loop, [time.perf_counter()]
    evaluator = silent_copy(loop.evaluator)
    runner.model.eval()
    with torch.no_grad():
        for batch in itertools.islice(loop.dataloader, _VAL_BATCHES):
            evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
            times.append(time.perf_counter())
    first = times[1] - times[0]
    later = (times[-1] - times[1]) / (len(times) - 2) if len(times) > 2 else first
    return first + later * (len(loop.dataloader) - 1)


@contextmanager
def undone(runner: Runner) -> Iterator[None]:
    """Undo what training steps change: weights, statistics, optimizer, logged values, random state."""
    wrapper, hub = runner.optim_wrapper, runner.message_hub
    before = copy.deepcopy((runner.model.state_dict(), wrapper.state_dict(), hub._log_scalars))
    counts, random_state = (wrapper._inner_count, wrapper.bad_in_a_row), torch.get_rng_state()
    try:
        yield
    finally:
        model, optimizer, scalars = before
        runner.model.load_state_dict(model)
        wrapper.load_state_dict(optimizer)
        wrapper.optimizer.zero_grad()
        hub._log_scalars = scalars
        wrapper._inner_count, wrapper.bad_in_a_row = counts
        torch.set_rng_state(random_state)


def scale_run(runner: Runner, length: Length) -> None:
    """Scale a run's config, and the hook of its moving average, to another length."""
    scale_schedule(runner.cfg, length)
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            hook.begin_iter = (runner.cfg.default_hooks.get("ema") or {}).get("begin_iter", hook.begin_iter)


def keep_schedule(runner: DenseRunner, path: Path) -> None:
    """Scale the schedule of a training that resumes from a checkpoint as its time limit had scaled it.

    Raises:
        UserError: the config's time limit is not that of the checkpoint.
    """
    kept, stated = read_checkpoint(path).get("meta", {}).get("time_limit"), runner.cfg.train_cfg.get("max_time")
    if kept is None:
        if stated is not None:
            raise UserError(f"--max-time {stated}: {path} is of a training without a time limit; omit it")
        return
    if stated not in (None, kept["max_time"]):
        raise UserError(
            f"--max-time {stated}: the schedule of {path} was made for {kept['max_time']}, and --resume keeps it; "
            "omit --max-time"
        )
    numbers = {key: whole_number(f"{path}, time_limit.{key}", kept[key]) for key in ("max_iters", "val_interval")}
    runner.cfg.train_cfg.max_time = kept["max_time"]
    scale_run(runner, Length(**numbers))
    runner.stored_config["time_limit"] = dict(kept)
