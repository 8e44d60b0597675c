import math

import pytest
import torch
import torch.nn.functional as F

from densevision.segmentation.loss import CrossEntropyLoss, OHEMCrossEntropyLoss

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


@pytest.mark.parametrize("loss", [CrossEntropyLoss(), CrossEntropyLoss([1.0, 2.0]), OHEMCrossEntropyLoss()])
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
