"""Progress of a training on the screen: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console

from densevision.console import Display
from densevision.registry import HOOKS
from densevision.training.damage import damage_line, restore_damaged, store_damaged
from densevision.training.deferred import HISTORY
from densevision.training.lengths import Length
from densevision.training.metrics import about_classes, numbers_of, warn_if_worthless
from densevision.training.pace import evaluations_left
from densevision.training.prepare import whole_number
from densevision.training.val_loss import val_loss_of

WORTHLESS = "worthless"  # in the message hub, and so in checkpoints: the warning of a training that learned nothing


@HOOKS.register_module()
class ProgressHook(Hook):
    """Report iteration, losses, learning rate, images per second, time left and the last evaluation.

    Every ``interval`` iterations the averages since the last report go to the log file, to TensorBoard, and, if the
    output is not a terminal, to the output as one line.
    """

    priority = "BELOW_NORMAL"  # after mmengine has recorded the losses, before the schedules change the rate
    display: Display

    def __init__(self, interval: int = 20):
        self.interval = whole_number("default_hooks.progress.interval", interval)
        self.clock = Clock()
        self.evaluation = ""
        self._length = 0  # of the bar

    def before_train(self, runner: Runner) -> None:
        """Open the display."""
        restore_damaged(runner)
        self.display = self._open(runner)
        self._start_bar(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Start the clock of the step; a time limit may have changed the length of the training."""
        if runner.max_iters != self._length:
            self._start_bar(runner)
        self.clock.step_began(runner.train_loop.waited)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict, outputs: object = None) -> None:
        """Advance the bar, and report every ``interval`` iterations and at the end."""
        iteration = runner.iter + 1
        due = iteration % self.interval == 0 or iteration == runner.max_iters
        if due:  # these wait for the device, which is part of the window's time
            runner.train_loop.read_skips()
            scalars = window_means(runner, (iteration - 1) % self.interval + 1)
        self.clock.step_done(len(data_batch["inputs"]) * get_world_size())
        if not due:
            self.display.advance(iteration)
            return
        for buffer in runner.message_hub.log_scalars.values():
            buffer.max_length = HISTORY  # mmengine copies the whole history at every update
        note = f"{format_scalars(scalars)}  {self.clock.rate():.1f} img/s  data {self.clock.data_share():.0%}"
        eta = f"eta {_duration(self._seconds_left(runner, iteration))}"
        self.display.advance(iteration, f"{eta}  {note}", self.evaluation)
        self._report(runner, f"iter {iteration}/{runner.max_iters}  {note}  {eta}", bar_shows_it=True)
        runner.visualizer.add_scalars(scalars, step=iteration)
        self.clock.restart_window()

    def before_val(self, runner: Runner) -> None:
        """Show a bar for the evaluation."""
        if not runner.training:
            self.display = self._open(runner)
        self.display.start("evaluate", len(runner.val_dataloader))

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None) -> None:
        """Advance the evaluation's bar."""
        self.display.advance(batch_idx + 1)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, object] | None = None) -> None:
        """Report the metrics."""
        figures = numbers_of(metrics or {})
        summary = format_metrics(figures, class_names(runner), ranking_metric(runner.cfg))
        summary += format_notes(runner.val_evaluator.metrics)
        loss = val_loss_of(runner)
        summary += "".join(f"  val loss {value:.3f}" for value in loss.values())
        if not runner.training:
            self._report(runner, f"evaluation: {summary}")
            return
        worthless = warn_if_worthless(figures, ranking_metric(runner.cfg))
        earlier = runner.message_hub.runtime_info.get(WORTHLESS)  # "" once a model was worth something
        runner.message_hub.update_info(WORTHLESS, "" if worthless is None or earlier == "" else worthless)
        self._start_bar(runner)
        self.evaluation = f"at {runner.iter}: {summary}"
        self.display.advance(runner.iter, None, self.evaluation)
        self._report(runner, f"iter {runner.iter}/{runner.max_iters}  evaluation: {summary}")
        runner.visualizer.add_scalars(figures | loss, step=runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep which images are damaged, also for the time after a resume."""
        store_damaged(runner, checkpoint)

    def after_train(self, runner: Runner) -> None:
        """Report how many images were skipped, and that no evaluation found anything."""
        if line := damage_line(runner):
            self._report(runner, line)
            runner.data_lines.append(line)
        if warning := runner.message_hub.runtime_info.get(WORTHLESS):
            self._report(runner, warning)

    def before_test(self, runner: Runner) -> None:
        """Show a bar for the test."""
        self.display = self._open(runner)
        self.display.start("evaluate", len(runner.test_dataloader))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Advance the test's bar."""
        self.display.advance(batch_idx + 1)

    def _start_bar(self, runner: Runner) -> None:
        self._length = runner.max_iters
        self.display.start("train", runner.max_iters, runner.iter)

    def _open(self, runner: Runner) -> Display:
        return runner.on_exit.enter_context(Display(Console(), enabled=is_main_process()))

    def _report(self, runner: Runner, line: str, *, bar_shows_it: bool = False) -> None:
        runner.logger.info(line)
        if not (bar_shows_it and self.display.live):
            self.display.print(line)

    def _seconds_left(self, runner: Runner, iteration: int) -> float:
        loop, pace = runner.train_loop, runner.train_loop.pace
        seconds = (loop.max_iters - iteration) * loop.ahead(pace.step)
        if runner.val_loop is not None:
            length = Length(loop.max_iters, loop.val_interval)
            seconds += evaluations_left(iteration - 1, length) * (pace.evaluation or self._guess(runner))
        return seconds

    def _guess(self, runner: Runner) -> float:
        """Estimate an evaluation's seconds before the first one: an image takes half as long as in training."""
        images = runner.train_dataloader.batch_size * runner.world_size
        return 0.5 * len(runner.val_dataloader.dataset) * runner.train_loop.pace.step / images


class Clock:
    """Measures the time spent waiting for data and training."""

    def __init__(self) -> None:
        self.restart_window()

    def restart_window(self) -> None:
        """Start a new window for ``rate`` and ``data_share``."""
        self._images, self._waited, self._total = 0, 0.0, 0.0

    def step_began(self, waited: float) -> None:
        """Start a step whose batch took ``waited`` seconds to arrive."""
        self._waited += waited
        self._step_start = time.perf_counter() - waited

    def step_done(self, images: int) -> None:
        """End a step on a batch of ``images`` images."""
        seconds = time.perf_counter() - self._step_start
        self._total += seconds
        self._images += images

    def rate(self) -> float:
        """Return the images per second in this window."""
        return self._images / max(self._total, 1e-9)

    def data_share(self) -> float:
        """Return the fraction of this window spent waiting for data, 0..1."""
        return self._waited / max(self._total, 1e-9)


_DEPRECATED = re.compile('"(FileClient|HardDiskBackend)"')  # mmengine warns about its own classes


class CurrentOutput:
    """Writes to the current ``sys.stdout``, so that log lines appear above a live bar."""

    def write(self, text: str) -> int:
        """Write to the current output."""
        return sys.stdout.write(text)

    def flush(self) -> None:
        """Flush the current output."""
        sys.stdout.flush()


def quiet(handlers: Iterable[logging.Handler]) -> None:
    """Limit the terminal to warnings and errors; files keep everything."""
    for handler in handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(max(handler.level, logging.WARNING))
            handler.stream = CurrentOutput()  # setStream would flush the old one, which may be closed
            handler.setFormatter(logging.Formatter("densevision: %(message)s"))
        handler.addFilter(lambda record: not _DEPRECATED.match(str(record.msg)))


def window_means(runner: Runner, steps: int) -> dict[str, float]:
    """Return the mean of every logged scalar over the last ``steps`` iterations, and the current learning rate.

    The losses are means over all processes, each of which must call this.
    """
    scalars = {}
    for name, buffer in runner.message_hub.log_scalars.items():
        if name.startswith("train/") and name != "train/base_lr":
            short = name.removeprefix("train/")
            scalars[short] = float(buffer.current() if short == "lr" else buffer.mean(steps))
    if get_world_size() > 1:
        means = torch.tensor([scalars[name] for name in sorted(scalars)], dtype=torch.float64)
        all_reduce(means, op="mean")
        scalars = {name: means[sorted(scalars).index(name)].item() for name in scalars}
    return scalars


def format_scalars(scalars: dict[str, float]) -> str:
    """Format scalars as one line: losses first, then the learning rate, then the rest.

    A single part of the loss is the loss itself, and left out.
    """
    named = sorted(name for name in scalars if "loss" in name)
    if len(named) == 2 and "loss" in named:
        named = ["loss"]
    losses = [f"{name.replace('loss_', '')} {scalars[name]:.3f}" for name in named]
    rest = [f"{name} {value:.3g}" for name, value in scalars.items() if "loss" not in name and name != "lr"]
    return "  ".join([*losses, f"lr {scalars['lr']:.2g}", *rest])


def format_metrics(metrics: dict[str, float], classes: Sequence[str] = (), first: str | None = None) -> str:
    """Format the metrics of ``summary_metrics`` as one line."""
    names = summary_metrics(metrics, classes, first)
    return "  ".join(f"{name} {metrics[name]:.3f}" for name in names) or "no metric"


def format_notes(metrics: Iterable[object]) -> str:
    """Format the metrics' ``note`` attributes to follow their figures, e.g. " (1 of 2 classes has no pixel)"."""
    notes = [note for metric in metrics if (note := getattr(metric, "note", ""))]
    return f" ({'; '.join(notes)})" if notes else ""


def summary_metrics(metrics: Iterable[str], classes: Sequence[str] = (), first: str | None = None) -> list[str]:
    """Choose up to three metrics that summarize an evaluation, none of a single class such as ``seg/IoU_road``.

    Args:
        metrics: names of all metrics.
        classes: names of the classes; without them, single classes are recognized by the form of the name.
        first: the metric that ranks models; it is always chosen, and comes first.
    """
    names = list(metrics)
    about_one = about_classes(names, classes)
    if not classes:
        about_one = {name for name in names if name.count("/") > 1 or "_" in name.rpartition("/")[2]}
    ranked = [name for name in names if name == first]
    return (ranked + [name for name in names if name not in about_one and name != first])[:3]


def class_names(runner: Runner) -> Sequence[str]:
    """Return the names of the val data's classes, empty if there are none."""
    loader = runner.val_dataloader
    return () if loader is None else (getattr(loader.dataset, "metainfo", None) or {}).get("classes") or ()


def ranking_metric(config: Config) -> str | None:
    """Return the name of the metric that ranks a config's models."""
    return ((config.get("default_hooks") or {}).get("checkpoint") or {}).get("save_best")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
