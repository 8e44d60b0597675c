"""The figures of a report, as plain data: what ``report.json`` has and ``report.html`` shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from torch import nn

from densevision.classification.metric import ClassDetails
from densevision.classification.results import class_columns
from densevision.config.dump import printable
from densevision.detection.matches import Boxes
from densevision.detection.mistakes import confusion, missed_by_size
from densevision.detection.thresholds import Counts, best_counts, best_threshold, count_at, mean_f1_curve
from densevision.report.advice import warnings_of
from densevision.report.examples import Example, box_examples, class_examples, colors_of, pixel_examples
from densevision.report.facts import describe_environment, describe_model
from densevision.segmentation.details import PixelDetails
from densevision.task import is_share
from densevision.training.metrics import numbers_of, primary_metric, warn_if_worthless

FORMAT = 1  # of report.json
_WITHOUT = 0.3  # score threshold where no object is found at any
_CURVE_POINTS = 200


@dataclass(frozen=True)
class Run:
    """A finished training or evaluation.

    Attributes:
        kind: "training" or "test".
        config: of the run.
        model: the network, or the path of a .tflite.
        metrics: of the evaluation that is shown.
        details: what its metrics kept, see ``densevision.training.metrics``.
        ranking: name of the metric that ranks models; None takes the task's own.
        iterations: of a training: of the evaluation that is shown ("shown"), the best ("best"), and all ("all").
        curves: rows of curves.csv.
        data_lines: what was reported on the data.
        findings: of an inspection of the data, as plain data; None where not all files were read.
        checkpoint: the file that was evaluated, of a test.
    """

    kind: str
    config: Config
    model: nn.Module | Path
    metrics: Mapping[str, object]
    details: Sequence[object] = ()
    ranking: str | None = None
    iterations: Mapping[str, int] = field(default_factory=dict)
    curves: Sequence[Mapping[str, float]] = ()
    data_lines: Sequence[str] = ()
    findings: Sequence[Mapping[str, Any]] | None = None
    checkpoint: str | None = None


def build_content(run: Run) -> tuple[dict[str, Any], list[Example]]:
    """Gather the figures of a run, and draw its worst and best images."""
    figures = numbers_of(run.metrics)
    name, value = primary_metric(figures, run.ranking) if figures else (None, None)
    boxes = next((one for one in run.details if isinstance(one, Boxes)), None)
    pixels = next((one for one in run.details if isinstance(one, PixelDetails)), None)
    images = next((one for one in run.details if isinstance(one, ClassDetails)), None)
    content: dict[str, Any] = dict(
        format=FORMAT,
        kind=run.kind,
        name=Path(run.config.filename or "config.py").stem,
        checkpoint=run.checkpoint,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        metric=dict(name=name, value=value, is_share=bool(name and is_share(name))),
        iterations=dict(run.iterations),
        metrics=figures,
        model=describe_model(run.model, _input_size(run, pixels)),
        data=list(run.data_lines),
        findings=run.findings,
        curves=[dict(row) for row in run.curves],
    )
    examples: list[Example] = []
    if boxes is not None:
        content["detection"] = describe_boxes(boxes)
        examples = box_examples(boxes, content["detection"]["score_threshold"])
    elif pixels is not None:
        content["segmentation"] = describe_pixels(pixels)
        examples = pixel_examples(pixels)
    elif images is not None:
        content["classification"] = describe_classes(images)
        examples = class_examples(images)
    content["examples"] = [dict(kind=one.kind, image=one.name, result=one.caption) for one in examples]
    content["worthless"] = warn_if_worthless(figures, run.ranking) is not None
    content["warnings"] = warnings_of(content)
    content["config"] = printable(run.config).pretty_text
    content["settings"] = flatten(run.config)
    content["environment"] = describe_environment()
    return plain(content), examples


def _input_size(run: Run, pixels: PixelDetails | None) -> tuple[int, int] | None:
    size = getattr(getattr(run.model, "module", run.model), "input_size", None)
    if size is None and pixels is not None and (*pixels.worst, *pixels.best):
        size = (*pixels.worst, *pixels.best)[0].pred.shape
    return None if size is None else (int(size[0]), int(size[1]))


def describe_boxes(boxes: Boxes) -> dict[str, Any]:
    """Return what an evaluation of a detector found, at all score thresholds and at the best one."""
    best = best_threshold(boxes)
    threshold, mean_f1 = best or (_WITHOUT, 0.0)
    rows = zip(
        boxes.classes,
        boxes.objects().tolist(),
        boxes.average.tolist(),
        best_counts(boxes),
        count_at(boxes, threshold),
        strict=True,
    )
    scores, f1 = mean_f1_curve(boxes)
    some = np.unique(np.linspace(0, max(0, len(scores) - 1), min(_CURVE_POINTS, len(scores))).astype(int))
    return dict(
        score_threshold=threshold,
        threshold_is_best=best is not None,
        mean_f1=mean_f1,
        classes=[
            dict(
                name=name,
                objects=objects,
                AP=None if average[0] < 0 else average[0],
                AP50=None if average[1] < 0 else average[1],
                best=_counts(own),
                at_threshold=_counts(common),
            )
            for name, objects, average, own, common in rows
        ],
        recall=boxes.recalls,
        precision={name: boxes.precision[:, k] for k, name in enumerate(boxes.classes) if boxes.objects()[k]},
        scores={name: boxes.scores[:, k] for k, name in enumerate(boxes.classes) if boxes.objects()[k]},
        f1=dict(score=scores[some], mean_f1=f1[some]),
        confusion=dict(labels=[*boxes.classes, "background"], counts=confusion(boxes, threshold)),
        sizes=[asdict(one) for one in missed_by_size(boxes, threshold)],
    )


def _counts(counts: Counts | None) -> dict[str, Any] | None:
    if counts is None:
        return None
    return dict(
        score=counts.threshold,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        true=counts.true,
        false=counts.false,
        missed=counts.missed,
    )


def describe_pixels(details: PixelDetails) -> dict[str, Any]:
    """Return what an evaluation of label maps found."""
    counts = details.confusion.astype(float)
    hit, target, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    columns = dict(
        IoU=_ratio(hit, target + predicted - hit),
        precision=_ratio(hit, predicted),
        recall=_ratio(hit, target),
        share=_ratio(target, np.full_like(target, counts.sum())),
    )
    names = enumerate(details.classes)
    return dict(
        classes=[dict(name=name, **{key: float(column[k]) for key, column in columns.items()}) for k, name in names],
        palette=[list(color) for color in colors_of(details)],
        confusion=dict(labels=list(details.classes), counts=details.confusion),
    )


def describe_classes(details: ClassDetails) -> dict[str, Any]:
    """Return what an evaluation of a classifier found."""
    columns, images = class_columns(details.confusion), details.confusion.sum(1)
    names = enumerate(details.classes)
    return dict(
        classes=[
            dict(name=name, images=int(images[k]), **{key: float(column[k]) for key, column in columns.items()})
            for k, name in names
        ],
        top5=details.top5,
        confusion=dict(labels=list(details.classes), counts=details.confusion),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def flatten(value: object, prefix: str = "") -> dict[str, str]:
    """Return a config's values as text by dotted key, to compare configs."""
    if isinstance(value, Config):
        value = printable(value)._cfg_dict
    if isinstance(value, Mapping | ConfigDict):
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= flatten(item, f"{prefix}.{key}" if prefix else str(key))
        return found
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        found = {}
        for number, item in enumerate(value):
            found |= flatten(item, f"{prefix}.{number}")
        return found
    if isinstance(value, type | FunctionType):
        return {prefix: f"{value.__module__}.{value.__qualname__}"}
    return {prefix: str(value)}


def plain(value: Any) -> Any:
    """Convert nested data to what JSON has; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | bool | int | None) else str(value)
