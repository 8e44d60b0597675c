import json
from pathlib import Path

import numpy as np
import pytest
import torch

from densevision.detection.coco import CocoDataset
from densevision.detection.metric import STATISTICS, CocoMetric, detections_to_coco, pack_detections
from tests.detection.conftest import write_coco

PERFECT = {4: ([[10, 5, 50, 25], [60, 20, 80, 40]], [1, 0]), 7: ([], []), 9: ([[0, 0, 10, 10]], [0])}


@pytest.fixture
def coco_root(coco_root):
    """Without the box of zero width, which pycocotools counts as an object that is never detected."""
    path = coco_root / "truth.json"
    table = json.loads(path.read_text())
    table["annotations"] = [row for row in table["annotations"] if row["bbox"][2]]
    path.write_text(json.dumps(table))
    return coco_root


def evaluate(root, found, out_dir=None, scores=None, classes=None, **options):
    """Evaluate image id -> (boxes, labels of ``classes``); default scores decrease."""
    data = CocoDataset(str(root), "truth.json", "images", (20, 40), **options)
    if classes:
        data.align_classes(classes)
    metric = CocoMetric(out_dir=out_dir)
    metric.dataset_meta = data.metainfo
    samples = []
    for image_id, (boxes, labels) in found.items():
        pred = dict(
            boxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
            scores=torch.linspace(0.9, 0.5, len(labels)) if scores is None else torch.tensor(scores[image_id]),
            labels=torch.tensor(labels, dtype=torch.int64),
        )
        samples.append(dict(img_id=image_id, pred=pred))
    metric.process({}, samples)
    return metric.evaluate(len(samples)), metric


def test_perfect_detections_score_one_also_with_annotation_id_zero(coco_root):
    metrics, metric = evaluate(coco_root, PERFECT)
    assert metrics["coco/AP"] == pytest.approx(1) and metrics["coco/AP50"] == pytest.approx(1)
    assert metrics["coco/AP/cat"] == pytest.approx(1) and metrics["coco/AP/dog"] == pytest.approx(1)
    assert "Average Precision  (AP) @[ IoU=0.50:0.95" in metric.table and "cat    100.0  100.0" in metric.table


def test_no_detections_score_zero(coco_root):
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


def test_result_files_contain_the_ids_of_the_data_set(coco_root, tmp_path):
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
def test_statistics_equal_pycocotools_with_crowds_and_a_box_of_zero_width(coco_root):
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
        packed = pack_detections(boxes.astype(np.float32), scores[image], np.array(labels * 10))
        rows += detections_to_coco(image, packed, (2, 30))
    theirs = COCO(coco_root / "from_one.json")
    reference = COCOeval(theirs, theirs.loadRes(rows), "bbox")
    reference.evaluate(), reference.accumulate(), reference.summarize()
    metrics, _ = evaluate(coco_root, found, scores=scores)
    assert [metrics[f"coco/{name}"] for name in STATISTICS] == reference.stats.tolist()
    assert 0.1 < metrics["coco/AP"] < 0.9


def rewrite(root, change):
    path = root / "truth.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def test_classes_named_like_statistics_have_their_own_keys(coco_root):
    rewrite(coco_root, lambda t: t.update(categories=[dict(id=30, name="small"), dict(id=2, name="50")]))
    metrics, metric = evaluate(coco_root, PERFECT | {4: ([[10, 5, 50, 25]], [1])})
    # "small" has one box, found; of the two of "50" one is found
    assert metrics["coco/AP/small"] == pytest.approx(1) and metrics["coco/AP/50"] == pytest.approx(51 / 101)
    assert metrics["coco/AP_small"] == pytest.approx((1 + 51 / 101) / 2) == metrics["coco/AP50"]
    assert "0.752" in metric.table


def test_a_json_in_another_order_scores_by_name(coco_root):
    def change(table):
        other = {2: 30, 30: 2}
        for row in table["categories"]:
            row["id"] = other[row["id"]]
        for row in table["annotations"]:
            row["category_id"] = other[row["category_id"]]

    rewrite(coco_root, change)
    assert evaluate(coco_root, PERFECT, classes=["cat", "dog"])[0]["coco/AP"] == pytest.approx(1)
    assert evaluate(coco_root, PERFECT)[0]["coco/AP"] == 0


def test_detections_of_a_class_that_the_json_lacks_are_ignored(coco_root, tmp_path):
    rewrite(
        coco_root,
        lambda t: t.update(
            categories=[dict(id=2, name="cat")], annotations=[a for a in t["annotations"] if a["category_id"] == 2]
        ),
    )
    found = {4: ([[10, 5, 50, 25], [60, 20, 80, 40]], [0, 1]), 7: ([[1, 1, 9, 9]], [2]), 9: ([[0, 0, 10, 10]], [1])}
    metrics, metric = evaluate(coco_root, found, tmp_path / "out", classes=["dog", "cat", "cow"])
    assert metrics["coco/AP"] == metrics["coco/AP/cat"] == pytest.approx(1)
    assert metrics["coco/AP/dog"] == metrics["coco/AP/cow"] == -1
    assert "dog        -      -" in metric.table and "cat    100.0  100.0" in metric.table
    rows = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [row["category_id"] for row in rows] == [3, 2, 5, 2]


def test_class_without_boxes_prints_a_dash(coco_root):
    rewrite(coco_root, lambda t: t.update(annotations=[a for a in t["annotations"] if a["category_id"] == 2]))
    metrics, _ = evaluate(coco_root, PERFECT)
    assert metrics["coco/AP"] == pytest.approx(1) and metrics["coco/AP/dog"] == -1


def test_no_objects_give_no_score(coco_root):
    for change in (lambda t: t.update(annotations=[]), lambda t: t.pop("annotations"), lambda t: t.pop("categories")):
        rewrite(coco_root, change)
        metrics, metric = evaluate(coco_root, PERFECT, classes=["cat", "dog"])
        assert {metrics[f"coco/{name}"] for name in STATISTICS} == {-1} and metrics["coco/AP/cat"] == -1
        assert "-1.000" in metric.table


@pytest.mark.parametrize("ids", [["c", "b", "a"], [2**63 - 1, 5, 2**64], [9.0, 8.5, 1], ["x", 1, 2.5]])
def test_any_type_of_image_id_is_evaluated_and_written_unchanged(coco_root, tmp_path, ids):
    new = dict(zip((4, 7, 9), ids, strict=True))
    rewrite(
        coco_root,
        lambda t: (
            [row.update(id=new[row["id"]]) for row in t["images"]],
            [row.update(image_id=new[row["image_id"]]) for row in t["annotations"]],
        ),
    )
    metrics, _ = evaluate(coco_root, {new[image]: found for image, found in PERFECT.items()}, tmp_path / "out")
    assert metrics["coco/AP"] == pytest.approx(1)
    rows = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [row["image_id"] for row in rows] == [ids[0], ids[0], ids[2]]


@pytest.mark.parametrize("key", ["area", "iscrowd"])
@pytest.mark.parametrize("value", [None, float("nan"), ""])
def test_areas_and_crowds_without_value(coco_root, key, value):
    plain, _ = evaluate(coco_root, PERFECT)
    rewrite(coco_root, lambda t: [row.update({key: value}) for row in t["annotations"] if not row["iscrowd"]])
    assert evaluate(coco_root, PERFECT)[0] == plain


def test_crowds_are_evaluated_as_objects(coco_root):
    rewrite(coco_root, lambda t: [row.update(iscrowd=1) for row in t["annotations"]])
    found = PERFECT | {9: ([[0, 0, 10, 10], [0, 0, 20, 20]], [0, 0])}
    assert evaluate(coco_root, found)[0]["coco/AP"] == -1
    assert evaluate(coco_root, found, crowds="objects")[0]["coco/AP"] == pytest.approx(1)


def test_boxes_are_evaluated_in_the_box_format_of_the_data_set(coco_root):
    def corners(table):
        for row in table["annotations"]:
            x, y, width, height = row["bbox"]
            row["bbox"] = [x, y, x + width, y + height]

    rewrite(coco_root, corners)
    assert evaluate(coco_root, PERFECT, box_format="xyxy")[0]["coco/AP"] == pytest.approx(1)
    rewrite(coco_root, lambda t: [row.pop("bbox") for row in t["annotations"]])
    rewrite(coco_root, lambda t: t["annotations"][0].update(segmentation=[[10, 5, 50, 5, 50, 25, 10, 25]]))
    metrics, _ = evaluate(coco_root, PERFECT)
    assert metrics["coco/AP/dog"] == pytest.approx(1) and metrics["coco/AP/cat"] == -1
