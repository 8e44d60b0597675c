import numpy as np
import pytest
import torch

from densevision.segmentation.details import KEPT, image_score
from densevision.segmentation.metric import IoUMetric


def test_the_score_of_an_image_is_the_mean_iou_of_its_classes():
    # class 0: 3 of 3 + 1; class 1: 0 of 1; class 2 neither occurs nor is predicted
    assert image_score(np.array([[3, 0, 0], [1, 0, 0], [0, 0, 0]])) == pytest.approx((3 / 4 + 0) / 2)
    assert image_score(np.zeros((2, 2), int)) is None


def evaluate(wrong):
    """Evaluate images of 2x8 pixels, with these numbers of wrong ones."""
    metric = IoUMetric()
    metric.dataset_meta = dict(classes=("a", "b"), palette=((0, 0, 0), (255, 0, 0)))
    for number, count in enumerate(wrong):
        target = torch.tensor([[[0] * 8, [1] * 8]], dtype=torch.uint8)
        pred = target.clone()
        pred[0, 0, :count] = 1
        metric.process(None, [dict(gt=dict(labels=target), pred=dict(labels=pred), img_path=f"{number}.png")])
    metric.evaluate(len(wrong))
    return metric


def test_the_worst_and_the_best_images_are_kept_and_no_others():
    metric = evaluate([3, 1, 7, 0, 5, 2, 6, 4, 8, 3, 1])
    assert [one.path for one in metric.details.worst] == ["8.png", "2.png", "6.png", "4.png"]
    assert [one.path for one in metric.details.best] == ["3.png", "1.png", "10.png", "5.png"]
    assert metric.details.worst[0].score == pytest.approx(0.25) and metric.details.best[0].score == 1  # 0 and 8/16
    assert metric.details.worst[0].pred.shape == (2, 8) and len(metric.details.worst) == KEPT
    metric.process(None, [dict(gt=dict(labels=torch.zeros(1, 2, 8)), pred=dict(labels=torch.zeros(1, 2, 8)))])
    metric.evaluate(1)
    assert len(metric.details.worst) == 1 and not metric.details.best  # those of the last evaluation only


def test_of_few_images_none_is_both_worst_and_best():
    metric = evaluate([1, 5, 3])
    assert [one.path for one in metric.details.worst] == ["1.png", "2.png"]
    assert [one.path for one in metric.details.best] == ["0.png"]
