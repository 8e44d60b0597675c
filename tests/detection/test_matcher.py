import pytest
import torch

from densevision.detection.box_coder import BoxCoder
from densevision.detection.matcher import assign_targets, match_anchors


def test_a_literal_matrix():
    iou = torch.tensor([
        [0.6, 0.4, 0.1, 0.0],
        [0.2, 0.7, 0.3, 0.0],
        [0.0, 0.1, 0.2, 0.3],
    ])
    # anchors 0 and 1 reach 0.5; anchor 3 reaches nothing but is the best one of box 2
    assert match_anchors(iou, 0.5).tolist() == [0, 1, -1, 2]


def test_a_claimed_anchor_leaves_its_better_box():
    iou = torch.tensor([[0.9, 0.8], [0.6, 0.1]])
    # box 1 has its best at anchor 0, but box 0 claims that one more strongly
    assert match_anchors(iou, 0.5).tolist() == [0, 0]


def test_of_two_equal_claims_the_lower_index_wins():
    assert match_anchors(torch.tensor([[0.4, 0.0], [0.4, 0.0]]), 0.5).tolist() == [0, -1]


def test_exactly_the_threshold_matches():
    assert match_anchors(torch.tensor([[0.5, 0.9]]), 0.5).tolist() == [0, 0]


def test_no_boxes_is_all_background():
    assert match_anchors(torch.zeros(0, 3)).tolist() == [-1, -1, -1]


def test_targets_name_the_logit_column():
    anchors = torch.tensor([[0.0, 0, 10, 10], [100, 100, 110, 110]])
    boxes, labels = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([4])
    columns, deltas = assign_targets(anchors, boxes, labels, BoxCoder())
    assert columns.tolist() == [5, 0]
    assert deltas.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0]]


def test_targets_without_objects():
    columns, deltas = assign_targets(torch.rand(3, 4), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), BoxCoder())
    assert columns.tolist() == [0, 0, 0] and not deltas.any()


@pytest.mark.reference
def test_equals_torchvisions_ssd_matcher():
    module = pytest.importorskip("torchvision.models.detection._utils")
    for seed in range(20):
        iou = torch.rand(6, 50, generator=torch.Generator().manual_seed(seed))
        best = iou.argmax(dim=1)
        if len(best.unique()) < len(best):
            continue  # two boxes claim one anchor: torchvision leaves the winner open
        assert torch.equal(match_anchors(iou, 0.5), module.SSDMatcher(0.5)(iou).clamp(min=-1))
