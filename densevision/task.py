"""What a task is: its parts, by dotted text, in one table.

A further task is its own folder and one entry of ``TASKS``. The text of a part is resolved when it is first used, so
that this module imports nothing of the package and reading the table costs nothing.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task: detection, segmentation, ...

    Attributes:
        name: key in ``TASKS``; a model names its task by the class attribute ``task``.
        noun: for messages, "detector".
        title: for headings, "Object detection".
        primary_metric: key of the metric that sums up a model, such as "coco/AP". It, and what else has its prefix
            ("coco/"), runs from 0 to 1.
        per_class: what the metrics of single classes begin with, 0 where the model never finds the class; "" for none.
        predictor: "module:function" that gives a ``Predictor`` of a trained model; called with the model, the data's
            info from the checkpoint (``classes``, ...), the config, and by keyword ``score_threshold`` and ``nms``,
            None where the user did not choose.
        file_predictor: "module:function" that gives a ``Predictor`` of a .tflite; called with a ``TFLiteBackend``
            and by keyword ``score_threshold`` and ``nms``.
        exporter: "module:class" of the task's ``Exporter``; None: its models can't be exported.
        outputs: kinds of outputs that its .tflite files may have -> number of tensors.
        options: options of ``densevision demo`` and ``export`` that no other task understands.
        fixed_size: its models have an ``input_size``, which is the size of the exported input too.
    """

    name: str
    noun: str
    primary_metric: str
    predictor: str
    title: str = ""
    per_class: str = ""
    file_predictor: str | None = None
    exporter: str | None = None
    outputs: dict[str, int] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    fixed_size: bool = False

    @property
    def metric_prefix(self) -> str:
        """What the task's own metrics begin with: "coco/"."""
        return self.primary_metric.partition("/")[0] + "/"


TASKS = {
    "classification": Task(
        "classification",
        noun="classifier",
        title="Image classification",
        primary_metric="cls/top1",
        per_class="cls/recall_",
        predictor="densevision.inference.load:classification_predictor",
        file_predictor="densevision.inference.tflite_backend:classification_predictor",
        exporter="densevision.export.classification:ClassificationExporter",
        outputs={"scores": 1},
        fixed_size=True,
    ),
    "detection": Task(
        "detection",
        noun="detector",
        title="Object detection",
        primary_metric="coco/AP",
        predictor="densevision.inference.load:detection_predictor",
        file_predictor="densevision.inference.tflite_backend:detection_predictor",
        exporter="densevision.export.detection:DetectionExporter",
        outputs={"detections": 4, "boxes": 2},
        options=("--score-threshold", "--postprocess", "--nms", "--track"),
        fixed_size=True,
    ),
    "segmentation": Task(
        "segmentation",
        noun="segmentation model",
        title="Segmentation",
        primary_metric="seg/mIoU",
        per_class="seg/IoU_",
        predictor="densevision.inference.load:segmentation_predictor",
        file_predictor="densevision.inference.tflite_backend:segmentation_predictor",
        exporter="densevision.export.segmentation:SegmentationExporter",
        outputs={"labels": 1, "logits": 1},
        options=("--labels", "--upsample", "--full-size"),
    ),
}


def resolve(text: str) -> Any:
    """Import what a text "module:name" names."""
    module, _, name = text.partition(":")
    return getattr(importlib.import_module(module), name)


def task_of_outputs(kind: str) -> Task:
    """Return the task whose .tflite files have outputs of a kind.

    Raises:
        KeyError: no task has.
    """
    by_outputs = {outputs: task for task in TASKS.values() for outputs in task.outputs}
    return by_outputs[kind]


def primary_metrics() -> tuple[str, ...]:
    """Return the primary metric of every task."""
    return tuple(task.primary_metric for task in TASKS.values())


def is_share(metric: str) -> bool:
    """Whether a metric, by its key, is one of a task's own, which run from 0 to 1."""
    return metric.startswith(tuple(task.metric_prefix for task in TASKS.values()))


def is_unmeasured(metric: str, value: float) -> bool:
    """Whether the value of a task's metric is NaN or pycocotools' -1: the data have nothing to measure."""
    return is_share(metric) and not value >= 0


def foreign_options(task: Task) -> list[str]:
    """List the options that only other tasks understand."""
    return [option for other in TASKS.values() for option in other.options if option not in task.options]
