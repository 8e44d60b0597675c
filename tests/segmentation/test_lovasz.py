import math

import pytest
import torch

from densevision.errors import UserError
from densevision.segmentation.lovasz import LovaszSoftmaxLoss, jaccard_gradient
from densevision.segmentation.metric import confusion_matrix, iou


def logits_of(*scores):
    """Return logits [1, 2, 1, P] of two classes, given the scores of class 1."""
    values = torch.tensor(scores)
    return torch.stack([1 - values, values]).log().reshape(1, 2, 1, -1)


def target_of(*labels):
    return torch.tensor(labels, dtype=torch.uint8).reshape(1, 1, -1)


def test_gradient_is_the_increase_of_1_minus_iou():
    # Class of 2 pixels; wrong one after the other: IoU 2/2 -> 1/2 (a hit lost) -> 1/3 -> 1/4 (others taken) -> 0/4.
    assert jaccard_gradient(torch.tensor([[1, 0, 0, 1]]))[0].tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 12, 1 / 4])


def test_loss_of_four_pixels_by_hand():
    # Class 1, errors .4 .3 .2 .1 of a hit, two others, a hit: .4/2 + .3/6 + .2/12 + .1/4 = .29167
    # Class 0, the same errors of another, two hits, another: 1 - IoU is 1/3, 2/3, 1, 1, so (.4 + .3 + .2) / 3 = .3
    loss = LovaszSoftmaxLoss(step=1)(logits_of(0.9, 0.6, 0.3, 0.2), target_of(1, 1, 0, 0))
    assert loss.item() == pytest.approx((0.4 / 2 + 0.3 / 6 + 0.2 / 12 + 0.1 / 4 + 0.3) / 2)


def test_ignored_pixels_and_absent_classes_do_not_count():
    logits, target = logits_of(0.9, 0.6, 0.3, 0.2), target_of(1, 1, 0, 0)
    expected = LovaszSoftmaxLoss(step=1)(logits, target).item()
    more = torch.cat([logits, logits_of(0.5, 0.01)], dim=3)
    assert LovaszSoftmaxLoss(step=1)(more, target_of(1, 1, 0, 0, 255, 255)).item() == pytest.approx(expected)
    third = torch.cat([logits, torch.full_like(logits[:, :1], -1e4)], dim=1)
    assert LovaszSoftmaxLoss(step=1)(third, target).item() == pytest.approx(expected)


def test_ties_give_one_value_in_any_order():
    # All errors are 1/2 and each row of gradients has the sum 1.
    for labels in ((0, 1, 1, 1), (1, 1, 0, 1)):
        assert LovaszSoftmaxLoss(step=1)(logits_of(*[0.5] * 4), target_of(*labels)).item() == pytest.approx(0.5)


def test_certain_predictions_give_1_minus_the_mean_iou():
    generator = torch.Generator().manual_seed(0)
    target, pred = torch.randint(0, 3, (2, 2, 6, 5), generator=generator)
    logits = 1e4 * torch.nn.functional.one_hot(pred, 3).movedim(-1, 1).float()
    wanted = 1 - iou(confusion_matrix(pred, target, 3)).mean()
    assert LovaszSoftmaxLoss(step=1)(logits, target.to(torch.uint8)).item() == pytest.approx(wanted.item())


def test_step_measures_one_row_and_column_of_so_many():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 9, 7, generator=generator)
    target = torch.randint(0, 3, (1, 9, 7), generator=generator).to(torch.uint8)
    rows, columns = [2, 6], [2, 6]  # the centers of cells of 4x4
    some = logits[:, :, rows][..., columns], target[:, rows][..., columns]
    assert LovaszSoftmaxLoss()(logits, target) == LovaszSoftmaxLoss(step=1)(*some)
    corner = logits[..., :1, :2], target[..., :1, :2]  # smaller than the step
    assert math.isfinite(LovaszSoftmaxLoss()(*corner).item())


@pytest.mark.parametrize("labels", [(255, 255, 255), ()])
def test_without_labeled_pixels_the_loss_is_0(labels):
    logits = logits_of(*[0.3] * 3)[..., : len(labels)].clone().requires_grad_()
    loss = LovaszSoftmaxLoss()(logits, target_of(*labels))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_one_class_has_nothing_to_learn():
    logits = torch.randn(1, 1, 1, 3, requires_grad=True)
    loss = LovaszSoftmaxLoss(step=1)(logits, target_of(0, 0, 255))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_gradients():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0, 1, 1], [255, 0, 1]], [[1, 1, 0], [0, 0, 255]]], dtype=torch.uint8)
    assert torch.autograd.gradcheck(lambda values: LovaszSoftmaxLoss(step=1)(values, target), logits)


@pytest.mark.parametrize("step", [0, 1.5, True])
def test_step_is_a_whole_number(step):
    with pytest.raises(UserError, match="step is .*; give a whole number from 1"):
        LovaszSoftmaxLoss(step)
