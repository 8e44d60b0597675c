import math

import pytest
import torch

from densevision.detection.loss import FocalLoss, SoftmaxLoss, box_loss
from densevision.errors import UserError


def test_focal_loss_of_one_anchor():
    # column 0 (background): logit 0, target 1: 0.75 * 0.5^2 * ln 2; column 1: logit 0, target 0: 0.25 * 0.5^2 * ln 2
    loss = FocalLoss()(torch.zeros(1, 1, 2), torch.tensor([[0]]))
    assert loss.item() == pytest.approx(0.25 * math.log(2))


@pytest.mark.reference
def test_focal_loss_and_its_gradient_equal_torchvision():
    from torchvision.ops import sigmoid_focal_loss

    generator = torch.Generator().manual_seed(0)
    logits = (5 * torch.randn(2, 50, 4, generator=generator)).requires_grad_()
    columns = torch.randint(0, 4, (2, 50), generator=generator)
    one_hot = torch.nn.functional.one_hot(columns, 4).float()
    wanted = sigmoid_focal_loss(logits, one_hot, 0.6, 1.5, reduction="sum")
    found = FocalLoss(alpha=0.6, gamma=1.5)(logits, columns)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (found, wanted)]
    assert torch.allclose(*gradients, atol=1e-5)


def test_focal_scores_are_sigmoids_without_the_background_column():
    assert FocalLoss().scores(torch.tensor([9.0, 0.0, math.log(3)])).tolist() == pytest.approx([0.5, 0.75])


def test_softmax_scores_omit_the_background():
    scores = SoftmaxLoss().scores(torch.log(torch.tensor([1.0, 2.0, 5.0])))
    assert scores.tolist() == pytest.approx([0.25, 0.625])


def test_softmax_takes_the_hardest_negatives():
    logits = torch.zeros(1, 6, 2)
    logits[0, :, 0] = torch.tensor([0.0, 3.0, 1.0, 2.0, 4.0, 5.0])  # the smaller, the harder is the negative
    columns = torch.tensor([[1, 0, 0, 0, 0, 0]])
    loss = SoftmaxLoss(negatives_per_positive=2, min_negatives=0)(logits, columns)
    # the positive: ln 2; negatives of logits 1 and 2: ln(1 + e^-1) + ln(1 + e^-2)
    assert loss.item() == pytest.approx(math.log(2) + math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2)))


def test_image_without_objects_counts_as_background():
    logits = torch.zeros(1, 50, 3, requires_grad=True)
    for loss in (FocalLoss(), SoftmaxLoss(min_negatives=10)):
        (gradient,) = torch.autograd.grad(loss(logits, torch.zeros(1, 50, dtype=torch.int64)), logits)
        assert gradient[..., 0].min() < 0 and gradient[..., 1:].max() > 0
    assert (gradient[..., 0] != 0).sum() == 10


def test_box_loss_counts_matched_anchors_only():
    deltas = torch.tensor([[[2.0, 0, 0, 0], [9, 9, 9, 9]]])
    # |2| > 1: 2 - 0.5 = 1.5; the second anchor is background
    assert box_loss(deltas, torch.zeros(1, 2, 4), torch.tensor([[1, 0]])).item() == pytest.approx(1.5)


def test_box_loss_without_a_match_is_zero_and_differentiable():
    deltas = torch.ones(1, 2, 4, requires_grad=True)
    loss = box_loss(deltas, torch.zeros(1, 2, 4), torch.zeros(1, 2, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0 and not deltas.grad.any()


@pytest.mark.parametrize(
    "kind, settings, message",
    [
        (FocalLoss, dict(box_weight=0), "loss.box_weight is 0; give a number over 0"),
        (FocalLoss, dict(box_weight=-1.0), "loss.box_weight is -1.0"),
        (FocalLoss, dict(box_weight=float("nan")), "loss.box_weight is nan"),
        (FocalLoss, dict(box_weight="1"), "loss.box_weight is '1'"),
        (SoftmaxLoss, dict(box_weight=float("inf")), "loss.box_weight is inf"),
        (SoftmaxLoss, dict(box_weight=None), "loss.box_weight is None"),
        (FocalLoss, dict(alpha=75), "loss.alpha is 75; give a number from 0 to 1"),
        (FocalLoss, dict(gamma=-2), "loss.gamma is -2"),
        (SoftmaxLoss, dict(min_negatives=-1), "loss.min_negatives is -1"),
    ],
)
def test_settings_out_of_range_raise_an_error_that_names_them(kind, settings, message):
    with pytest.raises(UserError, match=message):
        kind(**settings)
