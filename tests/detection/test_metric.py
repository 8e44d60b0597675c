import json
from pathlib import Path

import numpy as np
import pytest
import torch

from densevision.detection.coco import CocoDataset
from densevision.detection.metric import STATISTICS, CocoMetric, detections_to_coco
from tests.detection.conftest import write_coco

PERFECT = {4: ([[10, 5, 50, 25], [60, 20, 80, 40]], [1, 0]), 7: ([], []), 9: ([[0, 0, 10, 10]], [0])}


@pytest.fixture
def coco_root(coco_root):
    """Without the box of no width: pycocotools counts it as an object that nobody finds."""
    path = coco_root / "truth.json"
    table = json.loads(path.read_text())
    table["annotations"] = [row for row in table["annotations"] if row["bbox"][2]]
    path.write_text(json.dumps(table))
    return coco_root


def evaluate(root, found, out_dir=None, scores=None, classes=None, **options):
    """Evaluate image id -> (boxes, labels); scores fall where none are given. Labels are of ``classes``."""
    data = CocoDataset(str(root), "truth.json", "images", (20, 40), **options)
    if classes:
        data.align_classes(classes)
    metric = CocoMetric(out_dir=out_dir)
    metric.dataset_meta = data.metainfo
    samples = []
    for image_id, (boxes, labels) in found.items():
        pred = dict(boxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
                    scores=torch.linspace(0.9, 0.5, len(labels)) if scores is None else torch.tensor(scores[image_id]),
                    labels=torch.tensor(labels, dtype=torch.int64))
        samples.append(dict(img_id=image_id, pred=pred))
    metric.process({}, samples)
    return metric.evaluate(len(samples)), metric


def test_perfect_detections_score_one_even_with_annotation_id_zero(coco_root):
    metrics, metric = evaluate(coco_root, PERFECT)
    assert metrics["coco/AP"] == pytest.approx(1) and metrics["coco/AP50"] == pytest.approx(1)
    assert metrics["coco/AP/cat"] == pytest.approx(1) and metrics["coco/AP/dog"] == pytest.approx(1)
    assert "Average Precision  (AP) @[ IoU=0.50:0.95" in metric.table and "cat    100.0  100.0" in metric.table


def test_no_detection_at_all_scores_zero(coco_root):
    metrics, _ = evaluate(coco_root, {image: ([], []) for image in PERFECT})
    assert metrics["coco/AP"] == 0 and metrics["coco/AR100"] == 0 and metrics["coco/AP/dog"] == 0


def test_a_box_with_iou_two_thirds_counts_at_four_of_ten_thresholds(coco_root):
    found = PERFECT | {4: ([[10, 5, 50, 25]], [1]), 9: ([[0, 0, 10, 15]], [0])}
    metrics, _ = evaluate(coco_root, found)
    # cat: one of two found with IoU 100 / 150 (0.50 .. 0.65): precision 1 up to recall 0.5 = 51 of 101 points
    assert metrics["coco/AP/cat"] == pytest.approx(4 / 10 * 51 / 101)
    assert metrics["coco/AP50"] == pytest.approx((1 + 51 / 101) / 2)


def test_classes_in_another_order_than_their_ids(coco_root):
    data = CocoDataset(str(coco_root), "truth.json", "images", (20, 40), classes=["dog", "cat"])
    metric = CocoMetric()
    metric.dataset_meta = data.metainfo
    boxes = dict(boxes=torch.tensor([[10.0, 5, 50, 25]]), scores=torch.tensor([0.9]), labels=torch.tensor([0]))
    none = dict(boxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.int64))
    metric.process({}, [dict(img_id=4, pred=boxes), dict(img_id=7, pred=none), dict(img_id=9, pred=none)])
    metrics = metric.evaluate(3)
    assert metrics["coco/AP/dog"] == pytest.approx(1) and metrics["coco/AP/cat"] == 0


def test_result_files_hold_the_data_sets_own_ids(coco_root, tmp_path):
    _, metric = evaluate(coco_root, PERFECT, out_dir=tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert rows[0] == dict(image_id=4, category_id=30, bbox=[10, 5, 40, 20], score=pytest.approx(0.9))
    assert {row["category_id"] for row in rows} == {2, 30} and {row["image_id"] for row in rows} == {4, 9}
    files = metric.write_report(tmp_path)
    assert "class" in Path(files["ap_table"]).read_text() and files["detections"].endswith("detections.json")


def test_missing_area_and_iscrowd_are_filled_in(coco_root):
    path = coco_root / "truth.json"
    table = json.loads(path.read_text())
    table["annotations"] = [
        {key: row[key] for key in ("id", "image_id", "category_id", "bbox")} for row in table["annotations"][:3]
    ]
    path.write_text(json.dumps(table))
    assert evaluate(coco_root, PERFECT)[0]["coco/AP"] == pytest.approx(1)


@pytest.mark.reference
def test_statistics_are_pycocotools_own_with_crowds_and_a_box_of_no_width(coco_root):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    write_coco(coco_root)
    table = json.loads((coco_root / "truth.json").read_text())
    for row in table["annotations"]:
        row["id"] += 1
    table["info"] = {}
    (coco_root / "from_one.json").write_text(json.dumps(table))
    random = np.random.default_rng(0)
    found, scores, rows = {}, {}, []
    for image, truth, labels in (4, [[10, 5, 50, 25], [60, 20, 80, 40]], [1, 0]), (9, [[0, 0, 10, 10]] * 2, [0, 1]):
        boxes = np.repeat(np.array(truth, float), 10, axis=0) + random.normal(0, 1.5, (20, 4))
        found[image], scores[image] = (boxes, labels * 10), random.random(20).astype(np.float32)
        ids = [(2, 30)[label] for label in labels * 10]
        rows += detections_to_coco(image, boxes.astype(np.float32), scores[image], ids)
    theirs = COCO(coco_root / "from_one.json")
    reference = COCOeval(theirs, theirs.loadRes(rows), "bbox")
    reference.evaluate(), reference.accumulate(), reference.summarize()
    metrics, _ = evaluate(coco_root, found, scores=scores)
    assert [metrics[f"coco/{name}"] for name in STATISTICS] == reference.stats.tolist()
    assert 0.1 < metrics["coco/AP"] < 0.9
