"""The course of a training as a table and a plot in the work directory."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from densevision.atomic import write_durable
from densevision.registry import HOOKS
from densevision.training.metrics import numbers_of
from densevision.training.prepare import whole_number
from densevision.training.progress import class_names, ranking_metric, summary_metrics, window_means
from densevision.training.ranking import ranking_sign
from densevision.training.val_loss import VAL_LOSS, val_loss_of


@HOOKS.register_module()
class CurvesHook(Hook):
    """Write ``curves.csv`` with every checkpoint, and ``curves.png`` after every evaluation.

    There is one row every ``interval`` iterations (means since the previous row) and one per evaluation; a resumed
    training drops the rows after its checkpoint and continues.
    """

    priority = "LOW"  # before the checkpoint

    def __init__(self, interval: int = 20):
        self.interval = whole_number("default_hooks.curves.interval", interval)
        self.rows: list[dict[str, float]] = []

    def before_train(self, runner: Runner) -> None:
        """Read the rows up to the checkpoint's iteration."""
        path = Path(runner.work_dir, "curves.csv")
        try:
            old = read_table(path) if runner.iter and path.is_file() else []
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:  # a half-written block, another program
            runner.logger.warning(f"{path} can't be read ({error}); the curves begin at iteration {runner.iter}")
            old = []
        self.rows = [row for row in old if row["iteration"] <= runner.iter]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Add a row every ``interval`` iterations and at the end."""
        iteration = runner.iter + 1
        if iteration % self.interval == 0 or iteration == runner.max_iters:
            self._add(iteration, window_means(runner, (iteration - 1) % self.interval + 1))

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, object] | None = None) -> None:
        """Add the metrics and draw the plot."""
        if not runner.training:
            return
        figures = numbers_of(metrics or {})
        self._add(runner.iter, figures | val_loss_of(runner))
        if is_main_process():
            self._write(runner)
            shown = summary_metrics(figures, class_names(runner), ranking_metric(runner.cfg))
            built = runner.val_loop.evaluator.metrics
            lower = [name for name in shown if ranking_sign(name, built) < 0]
            draw_curves(self.rows, Path(runner.work_dir, "curves.png"), shown, lower)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the table first, so that it is never older than the checkpoint."""
        self._write(runner)

    def _add(self, iteration: int, values: dict[str, float]) -> None:
        if not self.rows or self.rows[-1]["iteration"] != iteration:
            self.rows.append({"iteration": iteration})
        self.rows[-1].update(values)

    def _write(self, runner: Runner) -> None:
        write_durable(Path(runner.work_dir, "curves.csv"), format_table(self.rows).encode())


def format_table(rows: list[dict[str, float]]) -> str:
    """Return CSV text with one column per key; a cell is empty if its row has no such value.

    Losses, learning rate and so on come first, metrics after them. Values have six significant digits.
    """
    names = {key for row in rows for key in row} - {"iteration"}
    columns = ["iteration", *sorted(names, key=_place)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: value if key == "iteration" else f"{value:.6g}" for key, value in row.items()} for row in rows
    )
    return text.getvalue()


def _place(name: str) -> tuple[bool, bool, bool, str]:
    return "/" in name, name not in ("loss", VAL_LOSS), name.count("/") > 1, name


def read_table(path: Path) -> list[dict[str, float]]:
    """Read what ``format_table`` wrote; ``iteration`` comes back as an int."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [{**row, "iteration": int(row["iteration"])} for row in rows]


def draw_curves(
    rows: list[dict[str, float]], path: Path, metrics: Sequence[str] | None = None, lower: Sequence[str] = ()
) -> None:
    """Draw losses, metrics and learning rate over the iterations.

    Args:
        metrics: names of the metrics to draw; None uses the first three with a slash.
        lower: those whose lowest value is the best.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    if metrics is None:
        metrics = summary_metrics(name for name in names if "/" in name)
    figure = Figure(figsize=(9, 8))
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.06, top=0.96, hspace=0.16)
    FigureCanvasAgg(figure)
    losses, evaluations, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1))
    for axes, title in ((losses, "loss"), (evaluations, "evaluation"), (rate, "learning rate")):
        axes.set_title(title, loc="left", fontsize=11)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    _draw_losses(losses, rows, [name for name in names if name not in metrics and "/" not in name])
    for name in metrics:
        _draw_metric(evaluations, name, [row for row in rows if name in row], min if name in lower else max)
    _draw_line(rate, "lr", rows)
    for axes in (losses, evaluations):
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
    if not any(row.get(name, 0) < 0 for row in rows for name in metrics):
        evaluations.set_ylim(bottom=0)
    rate.set_ylim(bottom=0)
    rate.set_xlabel("iteration")
    rate.set_xlim(0, 1.02 * max((row["iteration"] for row in rows), default=1))
    figure.savefig(path, dpi=110)


def _draw_losses(axes: Axes, rows: list[dict[str, float]], names: Sequence[str]) -> None:
    """Draw the loss, its parts if there are several, and the loss on the val data."""
    parts = sorted(name for name in names if "loss" in name and name not in ("loss", VAL_LOSS))
    for name in ("loss", *(parts if len(parts) > 1 or "loss" not in names else ())):
        _draw_line(axes, name, rows, label="training loss" if name == "loss" else name)
    if VAL_LOSS in names:
        points = [row for row in rows if VAL_LOSS in row]
        _draw_line(axes, VAL_LOSS, points, label="validation loss", marker="o", markersize=3.5, color="black")
    if any(row.get("loss", 0) > 0 for row in rows):
        axes.set_yscale("log")  # the first losses would flatten all others
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()


def _draw_line(axes: Axes, name: str, rows: list[dict[str, float]], **style: Any) -> None:
    """Draw a column; a single value is a point."""
    points = [(row["iteration"], row[name]) for row in rows if name in row]
    if points:
        marker = {"marker": "o"} if len(points) == 1 else {}
        width = 2 if name in ("loss", VAL_LOSS) else 1.2
        axes.plot(*zip(*points, strict=True), **{"linewidth": width, **marker, **style})


def _draw_metric(axes: Axes, name: str, rows: list[dict[str, float]], choose: Callable = max) -> None:
    finite = [row for row in rows if math.isfinite(row[name])]
    best = choose(finite, key=lambda row: row[name], default=None)
    text = f"best {best[name]:.3f} at {best['iteration']}" if best else "undefined"
    if best and len(finite) == 1:
        text = f"{best[name]:.3f} at {best['iteration']}"
    _draw_line(axes, name, rows, label=f"{name}, {text}", marker="o", markersize=3.5 if len(finite) > 1 else 6)
