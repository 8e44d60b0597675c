import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from densevision.detection.anchors import LINEAR_SCALES, anchor_shapes, place_anchors
from densevision.detection.coverage import best_iou
from densevision.detection.model import feature_sizes
from densevision.proposal.anchors import class_weights, fit_anchors


def test_the_best_iou_by_hand():
    # Input 320, first map 20x20: cells of 16, the first center is (8, 8); the lowest anchor is a square of 0.1 * 320.
    boxes = np.array([[-8.0, -8, 24, 24], [-4.0, -4, 20, 20]])
    # The second box is 24x24 in that square: 576 / 1024.
    assert best_iou(boxes, LINEAR_SCALES, 0.1, (320, 320)).tolist() == [1.0, 0.5625]


@pytest.mark.parametrize("size", [(320, 320), (256, 448), (300, 437)])
def test_the_nearest_anchors_suffice(size):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.9, (300, 2)) * size[::-1]
    boxes = np.concatenate([low, np.minimum(low + rng.uniform(4, 200, (300, 2)), size[::-1])], axis=1)
    anchors = place_anchors(anchor_shapes(), feature_sizes(size, (16, 32), 4), size, (16, 32))
    reference = box_iou(torch.from_numpy(boxes), anchors.double()).max(dim=1).values
    np.testing.assert_allclose(best_iou(boxes, LINEAR_SCALES, 0.1, size), reference, atol=1e-6)


def test_classes_weigh_the_same():
    assert class_weights(np.array([0, 0, 0, 5])).tolist() == [1 / 6, 1 / 6, 1 / 6, 1 / 2]


def test_boxes_of_the_default_anchors_keep_them():
    anchors = place_anchors(anchor_shapes(), feature_sizes((320, 320), (16, 32), 4), (320, 320)).numpy()
    found = fit_anchors(anchors[::7], np.zeros(len(anchors[::7])), (320, 320))
    assert found.is_default and found.coverage == found.default_coverage == 1.0


def test_small_boxes_get_small_anchors():
    rng = np.random.default_rng(0)
    center = rng.uniform(20, 300, (200, 2))
    boxes = np.concatenate([center - 6, center + 6], axis=1)  # 12 pixels of 320: 0.0375
    found = fit_anchors(boxes, np.zeros(200), (320, 320))
    assert found.lowest < 0.08 and found.coverage > found.default_coverage


def test_without_boxes_the_default_remains():
    assert fit_anchors(np.zeros((0, 4)), np.zeros(0), (320, 320)).is_default
