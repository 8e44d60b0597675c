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
        out_dir: also write ``detections.json`` there, in COCO's result format with the data set's own image and
            category ids.

    After an evaluation ``table`` holds what pycocotools printed (in the main process).
    """

    default_prefix = "coco"

    def __init__(self, out_dir: str | Path | None = None):
        super().__init__(collect_device="gpu")  # all_gather_object; works with gloo too and leaves no folder behind
        self.out_dir = None if out_dir is None else Path(out_dir)
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
        if self.out_dir is not None:
            self.out_dir.mkdir(parents=True, exist_ok=True)
            (self.out_dir / "detections.json").write_text(json.dumps(detections))
        with contextlib.redirect_stdout(io.StringIO()):
            truth = load_truth(Path(self.dataset_meta["ann_file"]))
        evaluation, self.table = evaluate_boxes(truth, detections, self.dataset_meta["category_ids"])
        metrics = dict(zip(STATISTICS, map(float, evaluation.stats), strict=True))
        by_id = class_precision(evaluation)
        names = self.dataset_meta["classes"]
        by_name = {name: by_id[id_] for name, id_ in zip(names, self.dataset_meta["category_ids"], strict=True)}
        self.table += "\n\n" + class_table(by_name)
        return metrics | {f"AP_{name}": ap for name, (ap, _) in by_name.items()}

    def write_report(self, folder: str | Path) -> dict[str, str]:
        """Write the last evaluation's table to ``ap.txt``; returns the paths of all result files by kind."""
        table = Path(folder, "ap.txt")
        table.write_text(self.table + "\n")
        files = {"ap_table": str(table)}
        return files if self.out_dir is None else files | {"detections": str(self.out_dir / "detections.json")}


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


def class_precision(evaluation: COCOeval) -> dict[int, tuple[float, float]]:
    """Map category id -> (AP, AP50) in 0..1 over all areas; -1 for a class without objects."""
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [IoU, recall, class], up to 100 detections
    by_id = {}
    for column, category_id in enumerate(evaluation.params.catIds):  # pycocotools has sorted them
        values = precision[:, :, column]
        found = (values > -1).any()
        by_id[int(category_id)] = (float(values.mean()), float(values[0].mean())) if found else (-1.0, -1.0)
    return by_id


def class_table(by_name: dict[str, tuple[float, float]]) -> str:
    """Lay out AP and AP50 of each class in percent; a dash for a class without objects."""
    width = max(5, *map(len, by_name))
    lines = [f"{'class':{width}}     AP   AP50"]
    for name, values in by_name.items():
        cells = ["-" if value < 0 else f"{100 * value:.1f}" for value in values]
        lines.append(f"{name:{width}}  {cells[0]:>5}  {cells[1]:>5}")
    return "\n".join(lines)


def _nothing_found(truth: COCO) -> COCO:
    """``loadRes([])`` raises IndexError."""
    found = COCO()
    found.dataset = dict(images=truth.dataset["images"], categories=truth.dataset["categories"], annotations=[])
    found.createIndex()
    return found
