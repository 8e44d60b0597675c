"""COCO's average precision, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from densevision.data.samples import DetSample
from densevision.detection.coco_json import CocoTable
from densevision.detection.coco_reader import CocoReader
from densevision.detection.matches import Boxes, collect_boxes
from densevision.detection.thresholds import best_threshold
from densevision.registry import METRICS

_BY_SIZE = ("small", "medium", "large")
_AP = ("AP", "AP50", "AP75", *(f"AP_{size}" for size in _BY_SIZE))
STATISTICS = (*_AP, "AR1", "AR10", "AR100", *(f"AR_{size}" for size in _BY_SIZE))


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """Report ``coco/AP`` ... ``coco/AR_large`` and ``coco/AP/<class>`` in 0..1; -1 where there are no objects.

    The ground truth is read with the options of the data set. Detections of a class without objects are ignored.

    Args:
        out_dir: also write ``detections.json`` there, in COCO's result format with the image and category ids of the
            data set.
    Attributes:
        table: the table of pycocotools and the AP of each class, after an evaluation, in the main process.
        details: the boxes of that evaluation and their matches; None before.
        score_threshold: with the best F1, see ``best_threshold``; None before, and if no object is detected.
    """

    default_prefix = "coco"
    best_key = "coco/AP"  # chooses best.pth where a config has no save_best

    def __init__(self, out_dir: str | Path | None = None):
        super().__init__(collect_device="gpu")  # gathers by all_gather_object, also with gloo; "cpu" leaves a folder
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.table = ""
        self.details: Boxes | None = None
        self.score_threshold: float | None = None
        self._paths: dict[Any, str] = {}  # by image id

    def process(self, data_batch: dict, data_samples: Sequence[DetSample | dict]) -> None:
        """Store the results of one batch: exactly one item per image, as mmengine's collection requires."""
        for sample in data_samples:
            pred = sample["pred"]
            self._paths[sample["img_id"]] = sample.get("img_path", "")
            self.results.append(
                detections_to_coco(
                    sample["img_id"],
                    pred["boxes"].cpu().numpy(),
                    pred["scores"].cpu().numpy(),
                    [self.dataset_meta["category_ids"][label] for label in pred["labels"].tolist()],
                )
            )

    def compute_metrics(self, results: list[list[dict]]) -> dict[str, float]:
        detections = [row for image in results for row in image]
        if self.out_dir is not None:
            self.out_dir.mkdir(parents=True, exist_ok=True)
            (self.out_dir / "detections.json").write_text(json.dumps(detections))
        names, category_ids = self.dataset_meta["classes"], self.dataset_meta["category_ids"]
        table = CocoReader(**self.dataset_meta["reader"]).read()
        numbers = range(1, len(names) + 1)
        evaluation, self.table = evaluate_boxes(
            load_truth(table, category_ids), number_detections(detections, table, category_ids), numbers
        )
        metrics = dict(zip(STATISTICS, map(float, evaluation.stats), strict=True))
        by_number = class_precision(evaluation)
        by_name = {name: by_number[number] for number, name in zip(numbers, names, strict=True)}
        self.table += "\n\n" + class_table(by_name)
        image_numbers = _image_numbers(table)
        paths = {image_numbers[id_]: path for id_, path in self._paths.items() if path and id_ in image_numbers}
        self.details = collect_boxes(
            evaluation,
            names,
            np.array(list(by_name.values())),
            paths,
            apply_exif=self.dataset_meta["reader"].get("exif") != "ignore",
        )
        self.score_threshold = (best_threshold(self.details) or (None,))[0]
        return metrics | {f"AP/{name}": ap for name, (ap, _) in by_name.items()}

    def write_report(self, folder: str | Path) -> dict[str, str]:
        """Write the table of the last evaluation to ``ap.txt``; return the paths of all result files by kind."""
        table = Path(folder, "ap.txt")
        table.write_text(self.table + "\n", encoding="utf-8")
        files = {"ap_table": str(table)}
        return files if self.out_dir is None else files | {"detections": str(self.out_dir / "detections.json")}


def detections_to_coco(image_id: Any, boxes: np.ndarray, scores: np.ndarray, category_ids: Sequence[Any]) -> list[dict]:
    """Convert [D, 4] xyxy boxes, [D] scores and D category ids to rows of COCO's result format."""
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(float).round(3)
    return [
        dict(image_id=image_id, category_id=category_id, bbox=box, score=score)
        for box, score, category_id in zip(xywh.tolist(), scores.astype(float).tolist(), category_ids, strict=True)
    ]


def load_truth(table: CocoTable, category_ids: Sequence[Any]) -> COCO:
    """Convert the ground truth for pycocotools, with numbers from 1 for all ids.

    pycocotools sorts image ids, which may be of several types, and treats the annotation id 0 as unmatched. Crowds
    and tiny boxes are kept, as in COCO's own evaluation.

    Args:
        table: from ``CocoReader``.
        category_ids: ids of the classes, in the order of the labels; class k becomes category k + 1, other categories
            are left out.
    """
    number_of = {id_: number for number, id_ in enumerate(category_ids, start=1)}
    numbers = np.array([number_of.get(id_, 0) for id_ in table.category_ids], np.int64)
    numbers = numbers[table.category_rows] if len(numbers) else np.zeros(0, np.int64)
    image_numbers = np.array(list(_image_numbers(table).values()), np.int64)[table.image_rows]
    rows = zip(
        image_numbers.tolist(),
        numbers.tolist(),
        table.boxes.tolist(),
        table.areas.tolist(),
        table.crowds.astype(int).tolist(),
        strict=True,
    )
    annotations = [
        dict(image_id=image, category_id=category, bbox=box, area=area, iscrowd=crowd)
        for image, category, box, area, crowd in rows
        if category
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    return _index(
        images=[dict(id=row) for row in range(1, len(table.image_ids) + 1)],
        categories=[dict(id=number) for number in number_of.values()],
        annotations=annotations,
    )


def number_detections(detections: Sequence[dict], table: CocoTable, category_ids: Sequence[Any]) -> list[dict]:
    """Replace the ids in rows of COCO's result format by those of ``load_truth``."""
    image_of = _image_numbers(table)
    category_of = {id_: number for number, id_ in enumerate(category_ids, start=1)}
    return [
        row | dict(image_id=image_of[row["image_id"]], category_id=category_of[row["category_id"]])
        for row in detections
    ]


def evaluate_boxes(truth: COCO, detections: Sequence[dict], category_ids: Sequence[int]) -> tuple[COCOeval, str]:
    """Run pycocotools.

    Args:
        truth: from ``load_truth``.
        detections: rows of COCO's result format with the ids of ``truth``; may be empty.
        category_ids: ids to evaluate; ``params.catIds`` of the result lists them in ascending order.
    Returns:
        The finished evaluation, and the table that pycocotools prints.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = truth.loadRes([dict(row) for row in detections]) if detections else _no_detections(truth)
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.catIds = list(category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        printed.seek(printed.truncate(0))
        evaluation.summarize()
    return evaluation, printed.getvalue().rstrip()


def class_precision(evaluation: COCOeval) -> dict[int, tuple[float, float]]:
    """Return category id -> (AP, AP50) in 0..1 over all areas; -1 for a class without objects."""
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [IoU, recall, class], up to 100 detections
    by_id = {}
    for column, category_id in enumerate(evaluation.params.catIds):  # pycocotools has sorted them
        values = precision[:, :, column]
        found = (values > -1).any()
        by_id[int(category_id)] = (float(values.mean()), float(values[0].mean())) if found else (-1.0, -1.0)
    return by_id


def class_table(by_name: dict[str, tuple[float, float]]) -> str:
    """Format AP and AP50 of each class in percent; a dash for a class without objects."""
    width = max(5, *map(len, by_name))
    lines = [f"{'class':{width}}     AP   AP50"]
    for name, values in by_name.items():
        cells = ["-" if value < 0 else f"{100 * value:.1f}" for value in values]
        lines.append(f"{name:{width}}  {cells[0]:>5}  {cells[1]:>5}")
    return "\n".join(lines)


def _image_numbers(table: CocoTable) -> dict[Any, int]:
    """Return image id -> number from 1, in ascending order of ids, by which pycocotools breaks ties of scores."""
    try:
        ranked = sorted(table.image_ids)
    except TypeError:  # a mix of numbers and strings
        ranked = table.image_ids
    number_of = {id_: number for number, id_ in enumerate(ranked, start=1)}
    return {id_: number_of[id_] for id_ in table.image_ids}


def _no_detections(truth: COCO) -> COCO:
    """Stand in for ``loadRes([])``, which raises IndexError."""
    return _index(images=truth.dataset["images"], categories=truth.dataset["categories"], annotations=[])


def _index(**lists: list[dict]) -> COCO:
    coco = COCO()
    coco.dataset = dict(info={}, **lists)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
