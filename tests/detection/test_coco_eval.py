"""The evaluation of boxes by each package, on random detections: crowds, ties, empty images, more than 100 boxes."""

import dataclasses
import importlib.util
import os
import sys

import numpy as np
import pytest

from densevision.data.paths import resolve_data_root
from densevision.detection.coco_eval import FASTER, PYCOCOTOOLS, evaluate_boxes, load_truth
from densevision.detection.coco_json import CocoTable
from densevision.detection.coco_reader import CocoReader
from densevision.detection.matches import collect_boxes
from densevision.detection.metric import CocoMetric, class_precision
from densevision.errors import UserError

DATA = {
    "bccd": ("annotations/instances_val.json", "val"),
    "coco128": ("annotations/instances_train2017.json", "train2017"),
}


def random_truth(random, images=12, classes=3, boxes=60, side=150):
    """Return a table with crowds, boxes on top of each other, images without boxes and a class without objects."""
    corners = random.integers(0, side, (boxes, 2)).astype(float)
    sides = random.choice([4.0, 10, 40, 100, 120], (boxes, 2))
    crowds = random.random(boxes) < 0.15
    return CocoTable(
        path=None,
        image_ids=list(range(images)),
        file_names=[f"{n}.jpg" for n in range(images)],
        sizes=np.full((images, 2), 2 * side),
        sized=np.ones(images, bool),
        category_ids=list(range(classes + 1)),
        names=list("abcdefgh"[: classes + 1]),
        image_rows=random.integers(0, images - 2, boxes),
        category_rows=random.integers(0, classes, boxes),
        boxes=np.concatenate([corners, sides], axis=1),
        areas=sides.prod(axis=1) * random.choice([1.0, 0.5], boxes),
        crowds=crowds,
        from_polygons=np.zeros(boxes, bool),
        skipped={},
        annotated=True,
    )


def random_detections(random, table, count, *, step=0.1):
    """Return [count, 7] detections near random objects, a third of them of a random class; scores have ties."""
    near = random.integers(0, len(table.boxes), count)
    boxes = table.boxes[near] + random.normal(0, 4, (count, 4)) * (random.random((count, 1)) < 0.8)
    boxes[:, 2:] = boxes[:, 2:].clip(min=0)
    classes = np.where(
        random.random(count) < 0.3, random.integers(0, len(table.names), count), table.category_rows[near]
    )
    images = np.where(
        random.random(count) < 0.1, random.integers(0, len(table.image_ids), count), table.image_rows[near]
    )
    scores = np.round(random.random(count) / step) * step
    return np.column_stack([images + 1, boxes.round(3), scores, classes + 1]).astype(float)


def evaluate(table, detections, backend):
    truth, numbers = load_truth(table, table.category_ids), range(1, len(table.category_ids) + 1)
    evaluation, text = evaluate_boxes(truth, detections, numbers, backend)
    average = np.array(list(class_precision(evaluation).values()))
    return evaluation, average, collect_boxes(evaluation, detections, table.names, average, {}), text


def assert_equal(table, detections):
    pytest.importorskip("faster_coco_eval")
    theirs, average, boxes, text = evaluate(table, detections, PYCOCOTOOLS)
    ours, our_average, our_boxes, our_text = evaluate(table, detections, FASTER)
    np.testing.assert_allclose(ours.stats, theirs.stats, rtol=0, atol=1e-12)
    np.testing.assert_allclose(our_average, average, rtol=0, atol=1e-12)
    for field in dataclasses.fields(boxes):
        expected, found = getattr(boxes, field.name), getattr(our_boxes, field.name)
        if isinstance(expected, np.ndarray):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=field.name)
    assert our_text == text


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(8))
def test_random_detections(seed):
    random = np.random.default_rng(seed)
    table = random_truth(random)
    assert_equal(table, random_detections(random, table, (1, 30, 400, 2000)[seed % 4], step=(0.1, 1e-6)[seed // 4]))


@pytest.mark.reference
@pytest.mark.skipif("DENSEVISION_DATA" not in os.environ, reason="needs the data sets")
@pytest.mark.parametrize("name", DATA)
def test_real_annotations(name):
    path, images = DATA[name]
    root = resolve_data_root(name)
    table = CocoReader(str(root / path), str(root / images)).read()
    ids = np.array(table.image_ids)
    rank = np.argsort(np.argsort(ids))  # detections name images by their rank
    random = np.random.default_rng(0)
    detections = random_detections(random, table, 30 * len(ids), step=0.01)
    detections[:, 0] = rank[detections[:, 0].astype(int) - 1] + 1
    assert_equal(table, detections)


@pytest.mark.reference
def test_no_detections_and_no_objects():
    random = np.random.default_rng(0)
    table = random_truth(random)
    assert_equal(table, np.zeros((0, 7)))
    crowds_only = dataclasses.replace(table, crowds=np.ones_like(table.crowds))
    assert_equal(crowds_only, random_detections(random, table, 50))


def test_own_matches_are_those_of_pycocotools():
    for seed in range(6):
        random = np.random.default_rng(100 + seed)
        table = random_truth(random, images=6)
        detections = random_detections(random, table, (5, 300, 1500)[seed % 3])
        evaluation, average, boxes, _ = evaluate(table, detections, PYCOCOTOOLS)
        evaluation.evalImgs = []
        ours = collect_boxes(evaluation, detections, table.names, average, {})
        assert ours.outcomes.tolist() == boxes.outcomes.tolist()
        assert ours.found_by.tolist() == boxes.found_by.tolist()
        assert len(set(boxes.outcomes.tolist())) == 3 or seed % 3 == 0


@pytest.mark.reference
def test_a_score_that_is_not_a_number_is_one_line():
    pytest.importorskip("faster_coco_eval")
    random = np.random.default_rng(0)
    table = random_truth(random)
    detections = random_detections(random, table, 4)
    detections[1, 5] = np.nan
    with pytest.raises(UserError, match=r"1 of 4 detections have a score that is not a number"):
        evaluate(table, detections, FASTER)


def test_an_unknown_backend_and_a_missing_package_are_one_line(monkeypatch):
    with pytest.raises(UserError, match="backend='coco' of CocoMetric .* pycocotools, faster-coco-eval"):
        CocoMetric(backend="coco")
    found = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "faster_coco_eval", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faster_coco_eval" else found(name))
    with pytest.raises(UserError, match=r"pip install 'densevision\[coco\]'"):
        CocoMetric(backend=FASTER)
