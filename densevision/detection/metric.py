"""COCO's average precision, as a metric."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from densevision.data.samples import DetSample
from densevision.detection.coco_eval import (
    PYCOCOTOOLS,
    check_backend,
    class_precision,
    evaluate_boxes,
    image_numbers,
    load_truth,
)
from densevision.detection.coco_reader import CocoReader
from densevision.detection.matches import Boxes, collect_boxes
from densevision.detection.thresholds import best_threshold
from densevision.registry import METRICS

_BY_SIZE = ("small", "medium", "large")
_AP = ("AP", "AP50", "AP75", *(f"AP_{size}" for size in _BY_SIZE))
STATISTICS = (*_AP, "AR1", "AR10", "AR100", *(f"AR_{size}" for size in _BY_SIZE))
Result = tuple[Any, np.ndarray]  # an image's id, and its detections from ``pack_detections``


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """Report ``coco/AP`` ... ``coco/AR_large`` and ``coco/AP/<class>`` in 0..1; -1 where there are no objects.

    The ground truth is read with the options of the data set. Detections of a class without objects are ignored.

    Args:
        out_dir: also write ``detections.json`` there, in COCO's result format with the image and category ids of the
            data set.
        backend: the package that computes the figures: "pycocotools", or "faster-coco-eval" of the extra ``coco``,
            which takes a tenth of the time for thousands of images. Their figures are equal to 1e-12.
    Attributes:
        table: the table of pycocotools and the AP of each class, after an evaluation, in the main process.
        details: the boxes of that evaluation and their matches; None before.
        score_threshold: with the best F1, see ``best_threshold``; None before, and if no object is detected.
    """

    default_prefix = "coco"
    best_key = "coco/AP"  # chooses best.pth where a config has no save_best

    def __init__(self, out_dir: str | Path | None = None, backend: str = PYCOCOTOOLS):
        check_backend(backend)
        super().__init__(collect_device="gpu")  # gathers by all_gather_object, also with gloo; "cpu" leaves a folder
        self.out_dir, self.backend = None if out_dir is None else Path(out_dir), backend
        self.table = ""
        self.details: Boxes | None = None
        self.score_threshold: float | None = None
        self._paths: dict[Any, str] = {}  # by image id

    def process(self, data_batch: dict, data_samples: Sequence[DetSample | dict]) -> None:
        """Store the results of one batch: exactly one item per image, as mmengine's collection requires."""
        for sample in data_samples:
            pred = sample["pred"]
            self._paths[sample["img_id"]] = sample.get("img_path", "")
            arrays = (pred[name].cpu().numpy() for name in ("boxes", "scores", "labels"))
            self.results.append((sample["img_id"], pack_detections(*arrays)))

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        names, category_ids = self.dataset_meta["classes"], self.dataset_meta["category_ids"]
        if self.out_dir is not None:
            write_detections(self.out_dir / "detections.json", results, category_ids)
        table = CocoReader(**self.dataset_meta["reader"]).read()
        number_of, numbers = image_numbers(table), range(1, len(names) + 1)
        detections = number_detections(results, number_of)
        evaluation, self.table = evaluate_boxes(load_truth(table, category_ids), detections, numbers, self.backend)
        metrics = dict(zip(STATISTICS, map(float, evaluation.stats), strict=True))
        by_number = class_precision(evaluation)
        by_name = {name: by_number[number] for number, name in zip(numbers, names, strict=True)}
        self.table += "\n\n" + class_table(by_name)
        paths = {number_of[id_]: path for id_, path in self._paths.items() if path and id_ in number_of}
        self.details = collect_boxes(
            evaluation,
            detections,
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


def pack_detections(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pack [D, 4] xyxy boxes, [D] scores and [D] labels as [D, 6] float64: x, y, width, height, score, label."""
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(float).round(3)
    return np.concatenate([xywh, scores[:, None].astype(float), labels[:, None].astype(float)], axis=1)


def detections_to_coco(image_id: Any, packed: np.ndarray, category_ids: Sequence[Any]) -> list[dict]:
    """Convert an image's detections of ``pack_detections`` to rows of COCO's result format.

    Args:
        category_ids: by label.
    """
    return [
        dict(image_id=image_id, category_id=category_ids[int(label)], bbox=box, score=score)
        for *box, score, label in packed.tolist()
    ]


def write_detections(path: Path, results: Sequence[Result], category_ids: Sequence[Any]) -> None:
    """Write all detections in COCO's result format, an image at a time: as text they are large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        separator = "["
        for image_id, packed in results:
            if rows := detections_to_coco(image_id, packed, category_ids):
                file.write(separator + json.dumps(rows)[1:-1])
                separator = ", "
        file.write("[]" if separator == "[" else "]")


def number_detections(results: Sequence[Result], numbers: Mapping[Any, int]) -> np.ndarray:
    """Return the detections as ``evaluate_boxes`` takes them, [D, 7], given image id -> number; class k is k + 1."""
    images = np.repeat([numbers[id_] for id_, _ in results], [len(packed) for _, packed in results])
    packed = np.concatenate([np.zeros((0, 6)), *(packed for _, packed in results)])
    packed[:, 5] += 1
    return np.concatenate([images[:, None].astype(float), packed], axis=1)


def class_table(by_name: dict[str, tuple[float, float]]) -> str:
    """Format AP and AP50 of each class in percent; a dash for a class without objects."""
    width = max(5, *map(len, by_name))
    lines = [f"{'class':{width}}     AP   AP50"]
    for name, values in by_name.items():
        cells = ["-" if value < 0 else f"{100 * value:.1f}" for value in values]
        lines.append(f"{name:{width}}  {cells[0]:>5}  {cells[1]:>5}")
    return "\n".join(lines)
