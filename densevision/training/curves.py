"""The course of a training as a table and a plot in the work directory."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

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
        old = read_table(path) if runner.iter and path.is_file() else []
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
        self._add(runner.iter, figures)
        if is_main_process():
            self._write(runner)
            shown = summary_metrics(figures, class_names(runner), ranking_metric(runner.cfg))
            draw_curves(self.rows, Path(runner.work_dir, "curves.png"), shown)

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
    """Return CSV text with one column per key; a cell is empty if its row has no such value."""
    columns = ["iteration", *sorted({key for row in rows for key in row} - {"iteration"})]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_table(path: Path) -> list[dict[str, float]]:
    """Read what ``format_table`` wrote; ``iteration`` comes back as an int."""
    with open(path, newline="") as file:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [{**row, "iteration": int(row["iteration"])} for row in rows]


def draw_curves(rows: list[dict[str, float]], path: Path, metrics: Sequence[str] | None = None) -> None:
    """Draw losses, metrics and learning rate over the iterations.

    Args:
        metrics: names of the metrics to draw; None uses the first three with a slash.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    if metrics is None:
        metrics = summary_metrics(name for name in names if "/" in name)
    panels = {
        "loss": sorted(name for name in names if "loss" in name and name not in metrics and "/" not in name),
        "evaluation": list(metrics),
        "learning rate": ["lr"],
    }
    figure = Figure(figsize=(9, 8))
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.06, top=0.96, hspace=0.16)
    FigureCanvasAgg(figure)
    grid = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1))
    for axes, (title, columns) in zip(grid, panels.items(), strict=True):
        axes.set_title(title, loc="left", fontsize=11)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        for column in columns:
            _draw_column(axes, column, [row for row in rows if column in row], marked=title == "evaluation")
        if columns and title != "learning rate":
            axes.legend(frameon=False, fontsize=9)
    if any(row.get("loss", 0) > 0 for row in rows):
        grid[0].set_yscale("log")  # the first losses would flatten all others
        grid[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        grid[0].yaxis.set_major_formatter("{x:g}")
        grid[0].minorticks_off()
    if not any(row.get(name, 0) < 0 for row in rows for name in metrics):
        grid[1].set_ylim(bottom=0)
    grid[2].set_xlabel("iteration")
    figure.savefig(path, dpi=110)


def _draw_column(axes: Axes, column: str, rows: list[dict[str, float]], *, marked: bool) -> None:
    iterations, values = [row["iteration"] for row in rows], [row[column] for row in rows]
    if not marked:
        axes.plot(iterations, values, label=column, linewidth=2 if column == "loss" else 1.2)
        return
    finite = [row for row in rows if math.isfinite(row[column])]
    best = max(finite, key=lambda row: row[column], default=None)
    label = f"{column}, best {best[column]:.3f} at {best['iteration']}" if best else f"{column}, undefined"
    axes.plot(iterations, values, label=label, marker="o", markersize=3.5)
