"""COCO's evaluation of boxes: the ground truth for it, and the packages that compute it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from densevision.detection.coco_json import CocoTable
from densevision.errors import UserError

PYCOCOTOOLS, FASTER = "pycocotools", "faster-coco-eval"
BACKENDS = (PYCOCOTOOLS, FASTER)


def check_backend(backend: str) -> None:
    """Check that a package of ``BACKENDS`` is chosen, and installed.

    Raises:
        UserError: it is not.
    """
    if backend not in BACKENDS:
        raise UserError(f"backend={backend!r} of CocoMetric in the config; it must be one of {', '.join(BACKENDS)}")
    if backend == FASTER and importlib.util.find_spec("faster_coco_eval") is None:
        raise UserError(
            f"backend={backend!r} of CocoMetric in the config: the package is missing; "
            "pip install 'densevision[coco]', or leave backend out for pycocotools"
        )


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
    of_images = np.array(list(image_numbers(table).values()), np.int64)[table.image_rows]
    kept = np.flatnonzero(numbers)
    rows = zip(
        of_images[kept].tolist(),
        numbers[kept].tolist(),
        table.boxes[kept].tolist(),
        table.areas[kept].tolist(),
        table.crowds[kept].astype(int).tolist(),
        strict=True,
    )
    return _index(
        images=[dict(id=row) for row in range(1, len(table.image_ids) + 1)],
        categories=[dict(id=number) for number in number_of.values()],
        annotations=[
            dict(image_id=image, category_id=category, bbox=box, area=area, iscrowd=crowd, id=id_)
            for id_, (image, category, box, area, crowd) in enumerate(rows, start=1)
        ],
    )


def evaluate_boxes(
    truth: COCO, detections: np.ndarray, category_ids: Sequence[int], backend: str = PYCOCOTOOLS
) -> tuple[COCOeval, str]:
    """Compute COCO's average precision.

    Args:
        truth: from ``load_truth``.
        detections: [D, 7] float64: image id, x, y, width, height, score, category id, with the ids of ``truth``.
        category_ids: ids to evaluate; ``params.catIds`` of the result lists them in ascending order.
        backend: one of ``BACKENDS``. The arrays differ by rounding only, but pycocotools alone also gives
            ``evalImgs``, the matches of each image and category.
    Returns:
        The finished evaluation, and the table that pycocotools prints.
    Raises:
        UserError: faster-coco-eval gets a score that is not a number, which it can't sort.
    """
    found = _load_detections(truth, detections)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.catIds = sorted(category_ids)
        if backend == FASTER:
            evaluation.eval, evaluation.evalImgs = _evaluate_faster(truth, found, evaluation.params.catIds), []
        else:
            evaluation.evaluate()
            evaluation.accumulate()
        printed.seek(printed.truncate(0))
        evaluation.summarize()
    return evaluation, printed.getvalue().rstrip()


def _evaluate_faster(truth: COCO, found: COCO, category_ids: list[int]) -> dict[str, Any]:
    from faster_coco_eval import COCOeval_faster

    scores = np.array([row["score"] for row in found.dataset["annotations"]])
    if np.isnan(scores).any():
        raise UserError(
            f"{np.isnan(scores).sum():,} of {len(scores):,} detections have a score that is not a number (NaN), so "
            "the model's weights are damaged; evaluate another checkpoint"
        )
    evaluation = COCOeval_faster(truth, found, "bbox", print_function=lambda line: None)
    evaluation.params.catIds = category_ids
    evaluation.evaluate()
    evaluation.accumulate()
    return {name: evaluation.eval[name] for name in ("precision", "recall", "scores")}


def class_precision(evaluation: COCOeval) -> dict[int, tuple[float, float]]:
    """Return category id -> (AP, AP50) in 0..1 over all areas; -1 for a class without objects."""
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [IoU, recall, class], up to 100 detections
    by_id = {}
    for column, category_id in enumerate(evaluation.params.catIds):  # in ascending order
        values = precision[:, :, column]
        found = (values > -1).any()
        by_id[int(category_id)] = (float(values.mean()), float(values[0].mean())) if found else (-1.0, -1.0)
    return by_id


def image_numbers(table: CocoTable) -> dict[Any, int]:
    """Return image id -> number from 1, in ascending order of ids, by which pycocotools breaks ties of scores."""
    try:
        ranked = sorted(table.image_ids)
    except TypeError:  # a mix of numbers and strings
        ranked = table.image_ids
    number_of = {id_: number for number, id_ in enumerate(ranked, start=1)}
    return {id_: number_of[id_] for id_ in table.image_ids}


def _load_detections(truth: COCO, detections: np.ndarray) -> COCO:
    """Do what ``truth.loadRes`` does for boxes, without a polygon per box, which are most of its memory.

    Detections may be absent, for which ``loadRes`` raises IndexError.
    """
    areas = (detections[:, 3] * detections[:, 4]).tolist()
    return _index(
        images=truth.dataset["images"],
        categories=truth.dataset["categories"],
        annotations=[
            dict(id=id_, image_id=int(image), bbox=box, score=score, category_id=int(category), area=area, iscrowd=0)
            for id_, (image, *box, score, category, area) in enumerate(
                (row + [area] for row, area in zip(detections.tolist(), areas, strict=True)), start=1
            )
        ],
    )


def _index(**lists: list[dict]) -> COCO:
    coco = COCO()
    coco.dataset = dict(info={}, **lists)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
