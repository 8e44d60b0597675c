"""COCO's average precision, by pycocotools unchanged."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from densevision.registry import METRICS
from densevision.samples import DetSample

STATISTICS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
              "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """Keys ``coco/AP`` ... ``coco/AR_large`` and ``coco/AP_<class>``, 0..1; -1 where nothing is to be found.

    Args:
        out_file: where the detections are written, in COCO's result format with the data set's own image and
            category ids; None writes none.
    """

    default_prefix = "coco"

    def __init__(self, out_file: str | None = None):
        super().__init__(collect_device="gpu")  # all_gather_object; works with gloo too and leaves no folder behind
        self.out_file = out_file
        self.table = ""

    def process(self, data_batch: dict, data_samples: Sequence[DetSample | dict]) -> None:
        """Keep the results of one batch: exactly one item an image, as mmengine's collection needs."""
        for sample in data_samples:
            pred = sample["pred"]
            self.results.append(detections_to_coco(
                sample["img_id"], pred["boxes"].cpu().numpy(), pred["scores"].cpu().numpy(),
                [self.dataset_meta["category_ids"][label] for label in pred["labels"].tolist()],
            ))

    def compute_metrics(self, results: list[list[dict]]) -> dict[str, float]:
        detections = [row for image in results for row in image]
        if self.out_file:
            Path(self.out_file).parent.mkdir(parents=True, exist_ok=True)
            Path(self.out_file).write_text(json.dumps(detections))
        with contextlib.redirect_stdout(io.StringIO()):
            truth = load_truth(Path(self.dataset_meta["ann_file"]))
        evaluation, self.table = evaluate_boxes(truth, detections, self.dataset_meta["category_ids"])
        metrics = dict(zip(STATISTICS, map(float, evaluation.stats), strict=True))
        precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [IoU, recall, class], all areas, 100 detections
        columns = {category_id: column for column, category_id in enumerate(evaluation.params.catIds)}
        for name, category_id in zip(self.dataset_meta["classes"], self.dataset_meta["category_ids"], strict=True):
            values = precision[:, :, columns[category_id]]
            metrics[f"AP_{name}"] = float(values[values > -1].mean()) if (values > -1).any() else -1.0
        return metrics


def detections_to_coco(image_id: int, boxes: np.ndarray, scores: np.ndarray, category_ids: Sequence[int]) -> list[dict]:
    """[D, 4] xyxy, [D], D category ids -> rows of COCO's result format, boxes as x, y, width, height."""
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(float).round(3)
    return [
        dict(image_id=image_id, category_id=category_id, bbox=box, score=score)
        for box, score, category_id in zip(xywh.tolist(), scores.astype(float).tolist(), category_ids, strict=True)
    ]


def load_truth(path: Path) -> COCO:
    """Read the ground truth for pycocotools.

    Annotations are numbered from 1 (pycocotools counts the id 0 as unmatched), and missing ``area`` and
    ``iscrowd`` are filled in (it raises KeyError).
    """
    table = json.loads(path.read_bytes())
    table.setdefault("info", {})
    for number, annotation in enumerate(table["annotations"], start=1):
        annotation["id"] = number
        annotation.setdefault("iscrowd", 0)
        annotation.setdefault("area", annotation["bbox"][2] * annotation["bbox"][3])
    truth = COCO()
    truth.dataset = table
    truth.createIndex()
    return truth


def evaluate_boxes(truth: COCO, detections: Sequence[dict], category_ids: Sequence[int]) -> tuple[COCOeval, str]:
    """Run pycocotools.

    Args:
        truth: from ``load_truth``.
        detections: rows of COCO's result format; none is valid.
        category_ids: what is evaluated; ``params.catIds`` of the result holds them by rising id.
    Returns:
        The finished evaluation, and the table that pycocotools prints.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = truth.loadRes(copy.deepcopy(list(detections))) if detections else _nothing_found(truth)
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.catIds = list(category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        printed.seek(printed.truncate(0))
        evaluation.summarize()
    return evaluation, printed.getvalue().rstrip()


def _nothing_found(truth: COCO) -> COCO:
    """``loadRes([])`` raises IndexError."""
    found = COCO()
    found.dataset = dict(images=truth.dataset["images"], categories=truth.dataset["categories"], annotations=[])
    found.createIndex()
    return found
