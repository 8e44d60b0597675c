"""Top-1, top-5 and recall per class, as an mmengine metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.evaluator import BaseMetric

from densevision.classification.results import class_table, compute_scores, write_report
from densevision.registry import METRICS

_TOP = 5
_KEPT = 12  # images in the report


class Judged(NamedTuple):
    """The prediction for an image.

    Attributes:
        label: of the ground truth.
        ranked: the labels with the highest scores, at most five, the best first.
        score: of the first of them.
        path: of the image.
    """

    label: int
    ranked: tuple[int, ...]
    score: float
    path: str

    @property
    def correct(self) -> bool:
        return self.label == self.ranked[0]


@dataclass(frozen=True)
class ClassDetails:
    """What an evaluation of a classifier found.

    Attributes:
        classes: K names.
        confusion: [K, K] int64, rows are target classes.
        top5: share of images with the class among the five best; None of five classes or fewer.
        worst: wrong predictions, the surest first.
        best: correct predictions, the surest first.
    """

    classes: tuple[str, ...]
    confusion: np.ndarray
    top5: float | None
    worst: tuple[Judged, ...]
    best: tuple[Judged, ...]


@METRICS.register_module()
class TopKMetric(BaseMetric):
    """Report ``cls/top1``, ``cls/top5``, ``cls/mean_recall`` and ``cls/recall_<class>`` in 0..1.

    ``top1`` is the share of images whose class has the highest score; ``top5``, of more than five classes, that of the
    images whose class is among the five highest. ``mean_recall`` is the mean over the classes with images, which weighs
    rare classes as much as frequent ones.

    Attributes:
        details: what the last evaluation found, in the main process; None before.
    """

    default_prefix = "cls"
    best_key = "cls/top1"  # chooses best.pth where a config has no save_best

    def __init__(self) -> None:
        super().__init__(collect_device="gpu")  # gathers by all_gather_object, also with gloo; "cpu" leaves a folder
        self.details: ClassDetails | None = None

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Rank the classes of each image."""
        for sample in data_samples:
            scores = sample["pred"]["score"].float().cpu().numpy()
            ranked = np.argsort(-scores, kind="stable")[:_TOP].tolist()
            path = sample.get("img_path", "")
            self.results.append(Judged(int(sample["gt"]["label"]), tuple(ranked), float(scores[ranked[0]]), path))

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Count the hits of all images."""
        judged = [Judged(*one) for one in results]  # mmengine makes them plain tuples
        classes = tuple(self.dataset_meta["classes"])
        confusion = np.zeros((len(classes), len(classes)), np.int64)
        np.add.at(confusion, ([one.label for one in judged], [one.ranked[0] for one in judged]), 1)
        surest = sorted(judged, key=lambda one: -one.score)
        worst, best = ([one for one in surest if one.correct == correct][:_KEPT] for correct in (False, True))
        hits = sum(one.label in one.ranked for one in judged)
        top5 = hits / max(1, len(judged)) if len(classes) > _TOP else None
        self.details = ClassDetails(classes, confusion, top5, tuple(worst), tuple(best))
        return compute_scores(confusion, classes, top5)

    @property
    def table(self) -> str:
        """The scores of each class in the last evaluation, to print."""
        found = self.details
        return "" if found is None else class_table(found.confusion, found.classes, found.top5)

    def write_report(self, folder: str | Path) -> dict[str, str]:
        """Write table and confusion matrix of the last evaluation; return the path of every result file."""
        found = self.details
        return {} if found is None else write_report(found.confusion, found.classes, folder, found.top5)
