import math

import pytest
import torch

from densevision.detection.box_coder import BoxCoder
from densevision.detection.matcher import assign_targets, match_anchors


def test_literal_matrix():
    iou = torch.tensor(
        [
            [0.6, 0.4, 0.1, 0.0],
            [0.2, 0.7, 0.3, 0.0],
            [0.0, 0.1, 0.2, 0.3],
        ]
    )
    # anchors 0 and 1 reach 0.5; anchor 3 does not, but is the best one of box 2
    assert match_anchors(iou, 0.5).tolist() == [0, 1, -1, 2]


def test_best_anchor_of_a_box_leaves_its_better_box():
    iou = torch.tensor([[0.9, 0.8], [0.6, 0.1]])
    # the best anchor of both boxes is 0, and box 0 has the higher IoU
    assert match_anchors(iou, 0.5).tolist() == [0, 0]


def test_lower_index_gets_the_anchor_if_the_iou_is_equal():
    assert match_anchors(torch.tensor([[0.4, 0.0], [0.4, 0.0]]), 0.5).tolist() == [0, -1]


def test_iou_equal_to_the_threshold_matches():
    assert match_anchors(torch.tensor([[0.5, 0.9]]), 0.5).tolist() == [0, 0]


def test_no_boxes_give_background_only():
    assert match_anchors(torch.zeros(0, 3)).tolist() == [-1, -1, -1]


def test_batch_equals_its_images_one_by_one():
    generator = torch.Generator().manual_seed(0)
    iou = torch.rand(4, 5, 30, generator=generator)
    iou[1, 3:] = -1  # no boxes
    iou[2] = -1
    matches = match_anchors(iou, 0.9)
    assert torch.equal(matches[0], match_anchors(iou[0], 0.9))
    assert torch.equal(matches[1], match_anchors(iou[1, :3], 0.9))
    assert (matches[2] == -1).all()


def test_targets_are_logit_columns_and_deltas():
    anchors = torch.tensor([[0.0, 0, 10, 10], [100, 100, 110, 110]])
    two, none, one = torch.tensor([[100.0, 100, 120, 110], [0.0, 0, 10, 10]]), torch.zeros(0, 4), anchors[:1]
    labels = [torch.tensor([7, 4]), torch.zeros(0, dtype=torch.int64), torch.tensor([0])]
    columns, deltas = assign_targets(anchors, [two, none, one], labels, BoxCoder())
    assert columns.tolist() == [[5, 8], [0, 0], [1, 0]]
    assert deltas[0, 1].tolist() == pytest.approx([5.0, 0.0, 5 * math.log(2), 0.0])  # half a width to the right
    assert not deltas[0, 0].any() and not deltas[1:].any()


def test_targets_without_objects():
    nothing = [torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2
    columns, deltas = assign_targets(torch.rand(3, 4), *nothing, BoxCoder())
    assert columns.tolist() == [[0, 0, 0]] * 2 and deltas.shape == (2, 3, 4) and not deltas.any()


@pytest.mark.reference
def test_equals_torchvision_ssd_matcher():
    module = pytest.importorskip("torchvision.models.detection._utils")
    for seed in range(20):
        iou = torch.rand(6, 50, generator=torch.Generator().manual_seed(seed))
        best = iou.argmax(dim=1)
        if len(best.unique()) < len(best):
            continue  # two boxes have the same best anchor: undefined in torchvision
        assert torch.equal(match_anchors(iou, 0.5), module.SSDMatcher(0.5)(iou).clamp(min=-1))
