"""Build, evaluate, print and write metrics: the package's and the user's.

A user's metric only needs mmengine's ``BaseMetric`` with ``process`` and ``compute_metrics``. Six more attributes
are used if they exist:

- ``out_dir``: folder for the files that the metric writes while it evaluates (predictions), or None;
- ``details``: what the last evaluation found, which the report shows for the package's metrics;
- ``lower_is_better``: True where the figure that ranks models is an error;
- ``score_threshold``: with which its detections are best, for the checkpoint, or None;
- ``table``: text that ``densevision test`` prints after an evaluation; without it, the metric's figures are listed;
- ``write_report(folder)``: writes more files and returns their paths by kind.

A figure may be any number, including NumPy numbers and tensors of one element; other values are printed and written,
but not plotted or compared.
"""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric, DumpResults, Evaluator

from densevision.errors import UserError
from densevision.registry import EVALUATOR
from densevision.task import TASKS, is_share, is_unmeasured, primary_metrics

WORTHLESS_BELOW = 0.05  # five points of 100
_ONE_CLASS_BELOW = 0.05  # IoU or recall: a model that finds one class only has less in all others
_REMEDY = (
    "start from published weights (init_from), label more images, train longer, or look at the data: "
    "densevision check, densevision browse"
)


def build_evaluator(config: Mapping | Sequence | Evaluator | BaseMetric) -> Evaluator:
    """Build a config's ``val_evaluator`` or ``test_evaluator``: a metric, a list, or ``dict(metrics=...)``.

    Raises:
        UserError: it gives something else than metrics.
    """
    if isinstance(config, Evaluator):
        built = config
    elif not isinstance(config, Mapping | Sequence | BaseMetric) or isinstance(config, str):
        raise UserError(f"config, evaluator is {config!r}; give dict(type=...), or a list of such")
    elif isinstance(config, Mapping) and "metrics" in config:
        built = EVALUATOR.build({"type": "Evaluator", **config})
    else:
        built = Evaluator(config)
    for metric in built.metrics:
        if not callable(getattr(metric, "process", None)) or not callable(getattr(metric, "compute_metrics", None)):
            raise UserError(
                f"config, evaluator: {type(metric).__name__} is not a metric; it needs the methods process and "
                "compute_metrics of mmengine's BaseMetric"
            )
        metric.compute_metrics = _Checked(metric)
    return built


class _Checked:
    """Let a metric's ``compute_metrics`` return None, and check what else it returns.

    A deep copy calls the copied metric.
    """

    def __init__(self, metric: BaseMetric):
        self.metric = metric

    def __call__(self, results: list) -> dict:
        kind = type(self.metric)
        figures = kind.compute_metrics(self.metric, results)
        if figures is None:
            return {}
        if not isinstance(figures, Mapping) or not all(isinstance(name, str) for name in figures):
            name = f"{kind.__name__}.compute_metrics"
            raise UserError(f"{name} returned {figures!r}; it must return a dict of name -> figure")
        return dict(figures)


def silent_copy(evaluator: Evaluator) -> Evaluator:
    """Copy an evaluator; the copy writes no files and shares no results with the original."""
    meta = evaluator.dataset_meta
    try:
        silent = copy.deepcopy(evaluator, {id(meta): meta})
    except Exception:  # a metric may contain objects that can't be copied: locks, open files
        silent = copy.copy(evaluator)
        silent.metrics = [_copy_shallow(metric) for metric in evaluator.metrics]
    silent.metrics = [metric for metric in silent.metrics if not isinstance(metric, DumpResults)]
    for metric in silent.metrics:
        metric.results = []
        if hasattr(metric, "out_dir"):
            metric.out_dir = None
    return silent


def _copy_shallow(metric: BaseMetric) -> BaseMetric:
    copied = copy.copy(metric)
    copied.compute_metrics = _Checked(copied)
    return copied


def set_folders(metrics: Iterable[BaseMetric], folder: Path) -> list[Path]:
    """Set a folder below ``folder`` for each metric with an ``out_dir`` that the config leaves open; return these."""
    folders: list[Path] = []
    for metric in metrics:
        if hasattr(metric, "out_dir") and metric.out_dir is None:
            metric.out_dir = folder / (f"predictions_{len(folders) + 1}" if folders else "predictions")
            folders.append(metric.out_dir)
    return folders


def tables(metrics: Sequence[BaseMetric], figures: Mapping[str, object]) -> str:
    """Format an evaluation: the metrics' tables, then the figures of metrics without a table."""
    parts, with_table = [], []
    for metric in metrics:
        if getattr(metric, "table", None):
            parts.append(str(metric.table))
            with_table.append(f"{metric.prefix}/")
    rest = {name: value for name, value in figures.items() if not name.startswith(tuple(with_table))}
    parts += ["\n".join(f"{name} {_text(value)}" for name, value in rest.items())] if rest else []
    return "\n\n".join(parts) or "no metric"


def write_reports(metrics: Iterable[BaseMetric], folder: Path) -> dict[str, str]:
    """Write the metrics' reports and return the paths by kind."""
    files: dict[str, str] = {}
    for metric in metrics:
        if hasattr(metric, "write_report"):
            for kind, path in (metric.write_report(folder) or {}).items():
                files[f"{metric.prefix}/{kind}" if kind in files else kind] = str(path)
    return files


def as_number(value: object) -> float | None:
    """Return a figure as a float, None if it is not a number."""
    if isinstance(value, torch.Tensor | np.ndarray):
        value = value.item() if value.nbytes == value.itemsize else None  # one element
    return float(value) if isinstance(value, numbers.Real | np.bool_) else None


def numbers_of(figures: Mapping[str, object]) -> dict[str, float]:
    """Return the figures that are numbers."""
    found = {name: as_number(value) for name, value in figures.items()}
    return {name: value for name, value in found.items() if value is not None}


def score_of(figures: Mapping[str, object], name: str) -> float | None:
    """Return the figure that ranks a model; None if it is missing, not finite, or -1, COCO's "undefined"."""
    value = as_number(figures.get(name))
    return None if value is None or not math.isfinite(value) or value == -1 else value


def primary_metric(figures: Mapping[str, object], preferred: str | None = None) -> tuple[str, float]:
    """Return name and value of the primary metric: ``preferred``, else a task's own, else the first number.

    Args:
        figures: from an evaluation.
        preferred: the config's ``default_hooks.checkpoint.save_best``.
    Raises:
        UserError: there is no figure.
    """
    found = numbers_of(figures)
    for name in (preferred, *primary_metrics(), *found):
        if name in found:
            return name, found[name]
    raise UserError("the metrics gave no figure: the test data have no ground truth, or compute_metrics returns none")


def warn_if_worthless(figures: Mapping[str, object], preferred: str | None = None) -> str | None:
    """Return a warning if a model has learned nothing, else None; also None for metrics of other tasks.

    Its AP or mIoU is below five points, or it labels nearly all pixels as one class.
    """
    found = numbers_of(figures)
    name = next((name for name in (preferred, *primary_metrics()) if name in found), None)
    return None if name is None else worthless(name, found[name]) or _one_class(found)


def _one_class(figures: Mapping[str, float]) -> str | None:
    """Return a warning if of several classes only one has an IoU, or a recall, of 5 points or more."""
    task = next((one for one in TASKS.values() if one.per_class and one.primary_metric in figures), None)
    if task is None:
        return None
    prefix = task.per_class
    by_class = sorted((value, name.removeprefix(prefix)) for name, value in figures.items() if name.startswith(prefix))
    if len(by_class) < 2 or by_class[-2][0] >= _ONE_CLASS_BELOW:
        return None
    points = f"{task.primary_metric} is {100 * figures[task.primary_metric]:.1f} of 100"
    return (
        f"warning: this model is worthless: it finds one class only, {by_class[-1][1]} ({points}, and every other "
        f"class is below {100 * _ONE_CLASS_BELOW:.0f}); {_REMEDY}"
    )


def worthless(name: str, value: float) -> str | None:
    """Return a warning if a metric shows that a model is worthless, or None.

    Args:
        name: key of the metric, e.g. "coco/AP". The range is known only for the package's metrics.
        value: 0 to 1; NaN, or pycocotools' -1, if the data have nothing to measure.
    """
    if is_unmeasured(name, value):
        return f"warning: {name} can't be measured ({value:g}): the data have no object or labeled pixel to find"
    if is_share(name) and value < WORTHLESS_BELOW:
        points = f"{100 * value:.2f} of 100"
        return f"warning: this model is worthless: {name} is {points}; {_REMEDY}"
    return None


@dataclass(frozen=True)
class Evaluated:
    """An evaluation during a training.

    Attributes:
        iteration: of the weights.
        metrics: by name.
        details: of each metric that keeps some.
        score_threshold: see ``threshold_of``.
    """

    iteration: int
    metrics: dict[str, object]
    details: list[object]
    score_threshold: float | None


def details_of(metrics: Iterable[object]) -> list[object]:
    """Return the details that the metrics keep of their last evaluation."""
    found = (getattr(metric, "details", None) for metric in metrics)
    return [details for details in found if details is not None]


def threshold_of(metrics: Iterable[object]) -> float | None:
    """Return the first score threshold that a metric found in its last evaluation; None without."""
    found = (getattr(metric, "score_threshold", None) for metric in metrics)
    return next((threshold for threshold in found if threshold is not None), None)


def about_classes(names: Iterable[str], classes: Sequence[str]) -> set[str]:
    """Return the names of figures of a single class, such as ``coco/AP/<class>``; class names may be any text."""
    endings = tuple(f"{mark}{name}" for name in classes for mark in "/_")
    return {name for name in names for ending in endings if name.endswith(ending) and "/" in name.removesuffix(ending)}


def _text(value: object) -> str:
    number = as_number(value)
    return str(value) if number is None else f"{number:.4g}"
