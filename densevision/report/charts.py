"""The charts of the report and of the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from densevision.report.svg import Axis, Series, line_chart
from densevision.task import TASKS
from densevision.training.progress import summary_metrics

_NAMED = 8  # classes with a color each
Content = Mapping[str, Any]
Chart = dict[str, str]


def course_charts(contents: Sequence[Content]) -> list[Chart]:
    """Draw losses, metrics and learning rate over the iterations, of one training or of several."""
    iteration = Axis("iteration", low=0)
    several = len(contents) > 1
    losses = [one for content in contents for one in _losses(content, several)]
    positive = all(y > 0 for one in losses for _, y in one.points)
    found = [
        ("Loss", line_chart(losses, iteration, Axis("loss", log=positive))),
        ("Metrics", line_chart(_metrics(contents), iteration, Axis("in percent", low=0))),
        ("Learning rate", line_chart(_rates(contents), iteration, Axis("learning rate", low=0))),
    ]
    return [dict(title=title, svg=svg) for title, svg in found if svg]


def _column(content: Content, name: str, factor: float = 1.0) -> list[tuple[float, float]]:
    rows = content["curves"]
    return [(row["iteration"], factor * row[name]) for row in rows if row.get(name) is not None]


def _losses(content: Content, several: bool) -> list[Series]:
    names = sorted({name for row in content["curves"] for name in row if "loss" in name and "/" not in name})
    if several:
        return [Series(content["name"], _column(content, "loss"))]
    columns = {name: _column(content, name) for name in names}
    if "loss" in columns:  # first, and without the same line again where it is the only part
        total = columns.pop("loss")
        columns = {"loss": total} | {name: points for name, points in columns.items() if points != total}
    return [Series(name, points) for name, points in columns.items()]


def _metrics(contents: Sequence[Content]) -> list[Series]:
    found = []
    for content in contents:
        metric = content["metric"]
        factor = 100.0 if metric["is_share"] else 1.0
        key: Content = next((content[task] for task in TASKS if content.get(task)), {})
        classes = [one["name"] for one in key.get("classes", [])]
        names = [name for name in summary_metrics(content["metrics"], classes, metric["name"]) if name]
        for name in names if len(contents) == 1 else names[:1]:
            label = name if len(contents) == 1 else f"{content['name']}: {name}"
            found.append(Series(label, _column(content, name, factor), marked=True))
    return found


def _rates(contents: Sequence[Content]) -> list[Series]:
    single = len(contents) == 1
    return [Series("learning rate" if single else content["name"], _column(content, "lr")) for content in contents]


def score_charts(detection: Content) -> list[Chart]:
    """Draw precision over recall of each class, and the mean F1 over the score threshold."""
    recall, classes = detection["recall"], detection["precision"]
    named = len(classes) <= _NAMED
    curves = [Series(name, list(zip(recall, values, strict=True)), faint=not named) for name, values in classes.items()]
    if len(classes) > 1 and not named:
        columns = list(zip(*classes.values(), strict=True))
        curves.append(Series("mean", [(r, sum(c) / len(c)) for r, c in zip(recall, columns, strict=True)]))
    f1 = list(zip(detection["f1"]["score"], detection["f1"]["mean_f1"], strict=True))
    threshold = detection["score_threshold"]
    mark = (threshold, f"{threshold:.3f}") if detection["threshold_is_best"] else None
    found = [
        ("Precision over recall at IoU 0.5", line_chart(curves, Axis("recall", 0, 1), Axis("precision", 0, 1))),
        (
            "F1 over the score threshold",
            line_chart([Series("mean F1 of the classes", f1)], Axis("score", 0, 1), Axis("F1", 0, 1), mark),
        ),
    ]
    return [dict(title=title, svg=svg) for title, svg in found if svg]
