import pytest
import torch

from densevision.detection.postprocess import PostProcess, select_detections

BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])


def test_nms_removes_overlapping_boxes_within_a_class_only():
    scores = torch.tensor([[0.9, 0.0], [0.8, 0.7], [0.6, 0.0]])
    found = select_detections(BOXES, scores, PostProcess(score_threshold=0.1, iou_threshold=0.5))
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert found.labels.tolist() == [0, 1, 0]
    assert found.boxes.tolist() == BOXES[[0, 1, 2]].tolist()


def test_at_most_max_detections_are_kept():
    scores = torch.tensor([[0.3, 0.0], [0.0, 0.5], [0.4, 0.0]])
    found = select_detections(BOXES, scores, PostProcess(max_detections=2))
    assert found.scores.tolist() == pytest.approx([0.5, 0.4])


def test_no_score_above_the_threshold_gives_no_detection():
    found = select_detections(BOXES, torch.zeros(3, 2), PostProcess())
    assert len(found) == 0 and found.boxes.shape == (0, 4) and found.labels.dtype == torch.int64


@pytest.mark.reference
def test_equals_one_nms_per_class():
    nms = pytest.importorskip("torchvision.ops").nms
    corner = torch.rand(300, 2) * 100
    boxes = torch.cat([corner, corner + 5 + torch.rand(300, 2) * 60], dim=1)
    scores = torch.rand(300, 4)
    found = select_detections(boxes, scores, PostProcess(0.2, 0.55, 1000))
    for label in range(4):
        column = torch.where(scores[:, label] > 0.2, scores[:, label], -1)
        kept = nms(boxes, column, 0.55)
        kept = kept[column[kept] > 0.2]
        assert torch.equal(found.boxes[found.labels == label], boxes[kept])
    assert (found.scores.diff() <= 0).all()


def test_candidates_are_limited_per_class_before_nms():
    scores = torch.tensor([[0.9, 0.0], [0.8, 0.7], [0.6, 0.5]])
    found = select_detections(BOXES, scores, PostProcess(iou_threshold=0.5, candidates=2))
    # class 0: 0.9 and 0.8 are candidates, not 0.6; 0.8 overlaps and is removed. class 1: 0.7 and 0.5.
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.5])


def test_nms_across_classes_removes_overlapping_boxes_of_any_class():
    scores = torch.tensor([[0.9, 0.0], [0.8, 0.85], [0.6, 0.7]])
    found = select_detections(BOXES, scores, PostProcess(0.1, 0.5, nms="across-classes"))
    # the second box, of class 1, is inside the first; each anchor has its best class only
    assert found.scores.tolist() == pytest.approx([0.9, 0.7]) and found.labels.tolist() == [0, 1]
    assert found.boxes.tolist() == BOXES[[0, 2]].tolist()
    few = select_detections(BOXES, scores, PostProcess(0.1, 0.5, max_detections=1, nms="across-classes"))
    assert few.scores.tolist() == pytest.approx([0.9])
    none = select_detections(BOXES, torch.zeros(3, 2), PostProcess(nms="across-classes"))
    assert none.boxes.shape == (0, 4) and len(none) == 0
