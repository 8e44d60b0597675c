import math

import pytest
import torch
import torch.nn.functional as F

from densevision.errors import UserError
from densevision.segmentation.loss import (
    BoundaryCrossEntropyLoss,
    CrossEntropyLoss,
    OHEMCrossEntropyLoss,
    near_boundary,
)

# Two classes; softmax scores of class 0 are 3/4, 1/4, 1/2 and (ignored) 3/4.
LOGITS = torch.tensor([[math.log(3.0), 0.0, 0.0, math.log(3.0)], [0.0, math.log(3.0), 0.0, 0.0]])
LOGITS = LOGITS.reshape(1, 2, 1, 4)
TARGET = torch.tensor([0, 0, 1, 255], dtype=torch.uint8).reshape(1, 1, 4)
LOSSES = [math.log(4 / 3), math.log(4), math.log(2)]  # of the labeled pixels


def test_cross_entropy_averages_over_labeled_pixels():
    assert CrossEntropyLoss()(LOGITS, TARGET).item() == pytest.approx(sum(LOSSES) / 3)


def test_class_weights_apply_to_losses_and_average():
    expected = (LOSSES[0] + LOSSES[1] + 3 * LOSSES[2]) / 5
    assert CrossEntropyLoss([1.0, 3.0])(LOGITS, TARGET).item() == pytest.approx(expected)


def test_ohem_keeps_pixels_with_a_score_below_the_threshold():
    # scores of the target class: 3/4, 1/4, 1/2
    loss = OHEMCrossEntropyLoss(threshold=0.6, min_kept=0.0)
    assert loss(LOGITS, TARGET).item() == pytest.approx((LOSSES[1] + LOSSES[2]) / 2)


def test_ohem_keeps_the_hardest_share_when_all_are_easy():
    loss = OHEMCrossEntropyLoss(threshold=0.1, min_kept=0.34)  # int(0.34 * 3) = 1 pixel
    assert loss(LOGITS, TARGET).item() == pytest.approx(LOSSES[1])


def test_ohem_selects_hard_pixels_before_weighting():
    loss = OHEMCrossEntropyLoss([10.0, 1.0], threshold=0.6, min_kept=0.0)
    assert loss(LOGITS, TARGET).item() == pytest.approx((10 * LOSSES[1] + LOSSES[2]) / 11)


@pytest.mark.parametrize(
    ("row", "width", "near"),
    [
        ([0, 0, 0, 1, 1, 1], 1, [0, 0, 1, 1, 0, 0]),
        ([0, 0, 0, 1, 1, 1], 2, [0, 1, 1, 1, 1, 0]),
        ([0, 0, 255, 0, 0, 0], 1, [0] * 6),  # ignored pixels are no other class
        ([0, 255, 1, 1, 1, 2], 1, [0, 0, 0, 0, 1, 1]),
        ([0, 255, 1, 1, 1, 2], 2, [1, 0, 1, 1, 1, 1]),
        ([5, 5, 7, 5, 5, 5], 1, [0, 1, 1, 1, 0, 0]),  # a pole
        ([255] * 6, 1, [0] * 6),
        ([3] * 6, 9, [0] * 6),
        ([0, 254, 254, 254, 0, 0], 1, [1, 1, 0, 1, 1, 0]),
    ],
)
def test_pixels_near_another_class(row, width, near):
    target = torch.tensor(row, dtype=torch.uint8).reshape(1, 1, -1)
    assert near_boundary(target, width).flatten().int().tolist() == near
    column = near_boundary(target.movedim(1, 2), width)  # the same from top to bottom
    assert column.flatten().int().tolist() == near


def test_images_of_a_batch_are_no_neighbors():
    target = torch.tensor([0, 1], dtype=torch.uint8).reshape(2, 1, 1)
    assert not near_boundary(target, 1).any()


def test_boundary_loss_averages_over_pixels_near_another_class():
    # targets 0, 0, 1 and ignored; within one pixel of another class are the second and the third
    assert BoundaryCrossEntropyLoss(width=1)(LOGITS, TARGET).item() == pytest.approx((LOSSES[1] + LOSSES[2]) / 2)
    weighted = BoundaryCrossEntropyLoss([1.0, 3.0], width=1)(LOGITS, TARGET).item()
    assert weighted == pytest.approx((LOSSES[1] + 3 * LOSSES[2]) / 4)


def test_boundary_loss_of_one_class_is_0_with_zero_gradients():
    logits = LOGITS.clone().requires_grad_()
    value = BoundaryCrossEntropyLoss()(logits, torch.zeros_like(TARGET))
    value.backward()
    assert value.item() == 0 and not logits.grad.any()


def test_gradients_of_the_boundary_loss():
    logits = LOGITS.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda values: BoundaryCrossEntropyLoss(width=1)(values, TARGET), logits)


@pytest.mark.parametrize("width", [0, 1.5, True, "3"])
def test_width_is_a_whole_number(width):
    with pytest.raises(UserError, match="BoundaryCrossEntropyLoss: width is .*; give a whole number from 1"):
        BoundaryCrossEntropyLoss(width=width)


@pytest.mark.parametrize(
    "loss", [CrossEntropyLoss(), CrossEntropyLoss([1.0, 2.0]), OHEMCrossEntropyLoss(), BoundaryCrossEntropyLoss()]
)
def test_batch_without_labels_gives_zero_loss_and_zero_gradients(loss):
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, torch.full_like(TARGET, 255))
    value.backward()
    assert value.item() == 0
    assert logits.grad.abs().max() == 0


@pytest.mark.reference
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0]])
def test_cross_entropy_equals_the_mean_of_torch(weights):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 7, generator=generator)
    target = torch.randint(0, 3, (2, 5, 7), generator=generator).to(torch.uint8)
    target[0, :2] = 255
    reference = F.cross_entropy(
        logits, target.long(), None if weights is None else torch.tensor(weights), ignore_index=255
    )
    assert CrossEntropyLoss(weights)(logits, target).item() == pytest.approx(reference.item(), rel=1e-6)


@pytest.mark.parametrize("kind", [CrossEntropyLoss, OHEMCrossEntropyLoss, BoundaryCrossEntropyLoss])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1], r"Loss: class_weights\[1\] is -1; give a number from 0"),
        ([1, float("nan")], r"Loss: class_weights\[1\] is nan"),
        ([0, 0], r"Loss: class_weights is \[0, 0\]; at least one must be over 0"),
        ([], r"Loss: class_weights is \[\]; at least one must be over 0"),
        ("ab", "Loss: class_weights is 'ab'; give a list with a number per class"),
        (3, "Loss: class_weights is 3; give a list with a number per class"),
    ],
)
def test_class_weights_are_numbers_from_0(kind, weights, message):
    with pytest.raises(UserError, match=message):
        kind(weights)


@pytest.mark.parametrize("kind", [CrossEntropyLoss, OHEMCrossEntropyLoss, BoundaryCrossEntropyLoss])
def test_there_is_a_class_weight_per_class(kind):
    with pytest.raises(UserError, match="Loss: class_weights has 3 numbers; give 2, one per class"):
        kind([1, 2, 3])(LOGITS, TARGET)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(threshold=70), "threshold is 70; give a number over 0 to 1"),
        (dict(threshold=0), "threshold is 0"),
        (dict(threshold=-0.7), "threshold is -0.7"),
        (dict(min_kept=100_000), "min_kept is 100000; give a number from 0 to 1"),  # pixels, as elsewhere
        (dict(min_kept=-1), "min_kept is -1"),
        (dict(min_kept="all"), "min_kept is 'all'"),
    ],
)
def test_ohem_takes_shares(values, message):
    with pytest.raises(UserError, match=message):
        OHEMCrossEntropyLoss(**values)
