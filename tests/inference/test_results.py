"""Results by hand: literal boxes and labels in, COCO rows, supervision and a readable text out."""

import sys

import cv2
import numpy as np
import pytest

from densevision.errors import UserError
from densevision.inference.results import DetectionResult, SegmentationResult

IMAGE = np.full((40, 60, 3), 90, np.uint8)
FOUND = DetectionResult(
    IMAGE,
    ("car", "bus"),
    np.array([[10, 5, 30, 25], [0, 0, 60, 40]], np.float32),
    np.array([0.75, 0.5], np.float32),
    np.array([1, 0]),
)
EMPTY = DetectionResult(IMAGE, ("car",), np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
LABELS = np.zeros((40, 60), np.uint8)
LABELS[:, 45:] = 2  # a quarter of the image
SEGMENTED = SegmentationResult(IMAGE, ("road", "car", "sky"), LABELS, [(255, 0, 0), (0, 255, 0), (0, 0, 255)])


def test_names_summary_and_text():
    assert FOUND.names == ["bus", "car"] and len(FOUND) == 2
    assert FOUND.summary() == "1 bus, 1 car" and EMPTY.summary() == "no objects"
    assert repr(FOUND) == "DetectionResult(60x40, 1 bus, 1 car: bus 0.75, car 0.50)"
    assert repr(EMPTY) == "DetectionResult(60x40, no objects)"
    assert SEGMENTED.names == ("road", "car", "sky") and SEGMENTED.names[SEGMENTED.label_map[0, 59]] == "sky"
    assert SEGMENTED.shares == {"road": 0.75, "sky": 0.25}
    assert repr(SEGMENTED) == "SegmentationResult(60x40, road 75.0%, sky 25.0%)"


def test_detections_in_coco_format():
    assert FOUND.to_coco(7) == [
        dict(image_id=7, category_id=2, bbox=[10, 5, 20, 20], score=0.75),
        dict(image_id=7, category_id=1, bbox=[0, 0, 60, 40], score=0.5),
    ]
    assert [row["category_id"] for row in FOUND.to_coco(7, category_ids=[30, 44])] == [44, 30]
    assert EMPTY.to_coco(7) == []
    with pytest.raises(UserError, match="category_ids has 1 ids for 2 classes"):
        FOUND.to_coco(7, category_ids=[30])


def test_masks_in_coco_format():
    decode = pytest.importorskip("pycocotools.mask").decode
    road, sky = SEGMENTED.to_coco(7)
    assert (road["category_id"], sky["category_id"], road["segmentation"]["size"]) == (1, 3, [40, 60])
    assert (decode(road["segmentation"]) == (LABELS == 0)).all() and (
        decode(sky["segmentation"]) == (LABELS == 2)
    ).all()


def test_rows_and_records():
    assert FOUND.record() == dict(
        detections=[
            {"class": "bus", "score": 0.75, "box": [10, 5, 30, 25]},
            {"class": "car", "score": 0.5, "box": [0, 0, 60, 40]},
        ]
    )
    assert FOUND.rows() == [("bus", 0.75, 10, 5, 30, 25), ("car", 0.5, 0, 0, 60, 40)]
    assert SEGMENTED.record() == dict(shares=dict(road=0.75, sky=0.25)) and SEGMENTED.rows() == [
        ("road", 0.75),
        ("sky", 0.25),
    ]


def test_what_is_drawn_is_what_a_notebook_shows():
    for result in (FOUND, EMPTY, SEGMENTED):
        drawn = result.draw()
        shown = cv2.imdecode(np.frombuffer(result._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        assert (shown[..., ::-1] == drawn).all() and drawn.dtype == np.uint8
    assert (IMAGE == 90).all() and (EMPTY.draw() == IMAGE).all() and (FOUND.draw() != IMAGE).any()
    assert SEGMENTED.draw()[0, 0].tolist() == [172, 45, 45]  # half gray, half red


@pytest.mark.reference
def test_supervision_detections():
    supervision = pytest.importorskip("supervision")
    boxes, masks = FOUND.to_supervision(), SEGMENTED.to_supervision()
    assert isinstance(boxes, supervision.Detections) and isinstance(masks, supervision.Detections)
    assert boxes.xyxy.tolist() == [[10, 5, 30, 25], [0, 0, 60, 40]] and boxes.class_id.tolist() == [1, 0]
    assert boxes.confidence.tolist() == [0.75, 0.5] and boxes.data["class_name"].tolist() == ["bus", "car"]
    assert len(EMPTY.to_supervision()) == 0
    assert masks.class_id.tolist() == [0, 2] and masks.data["class_name"].tolist() == ["road", "sky"]
    assert (masks.mask[1] == (LABELS == 2)).all() and masks.xyxy.tolist() == [[0, 0, 44, 39], [45, 0, 59, 39]]


@pytest.mark.parametrize(
    ("package", "call"), [("supervision", FOUND.to_supervision), ("pycocotools.mask", lambda: SEGMENTED.to_coco(1))]
)
def test_a_missing_package_is_one_line(monkeypatch, package, call):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"needs .*; pip install {package.partition('.')[0]}"):
        call()
