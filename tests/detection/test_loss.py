import math

import pytest
import torch

from densevision.detection.box_coder import BoxCoder
from densevision.detection.loss import FocalLoss, IoULoss, QualityFocalLoss, SoftmaxLoss, box_loss
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


def test_box_loss_with_the_quality_of_the_anchors():
    deltas, targets, columns = torch.tensor([[[2.0, 0, 0, 0], [2, 0, 0, 2]]]), torch.zeros(1, 2, 4), torch.ones(1, 2)
    # 1.5 and 3, times 0.5 and 0.1
    assert box_loss(deltas, targets, columns, torch.tensor([[0.5, 0.1]])).item() == pytest.approx(1.05)
    assert box_loss(deltas, targets, columns, torch.ones(1, 2)) == box_loss(deltas, targets, columns)


@pytest.mark.parametrize(
    ("box", "target", "giou", "diou"),
    [
        # shared 2 of 6, the hull has 6; centers 1 apart, diagonal^2 13
        ([0, 0, 2, 2], [1, 0, 3, 2], 2 / 3, 2 / 3 + 1 / 13),
        # apart: area 2 of a hull of 4; centers 3 apart, diagonal^2 17
        ([0, 0, 1, 1], [3, 0, 4, 1], 1.5, 1 + 9 / 17),
        ([0, 0, 2, 2], [0, 0, 2, 2], 0, 0),
        ([1, 1, 1, 1], [0, 0, 2, 2], 1, 1),  # a prediction without an area
    ],
)
def test_iou_losses_of_one_box(box, target, giou, diou):
    for kind, wanted in dict(giou=giou, diou=diou).items():
        pair = torch.tensor([box], dtype=torch.float32, requires_grad=True), torch.tensor([target]).float()
        loss = IoULoss(kind)(*pair)
        assert loss.item() == pytest.approx(wanted, abs=1e-6)
        assert IoULoss(kind)(*pair, torch.tensor([0.25])).item() == pytest.approx(wanted / 4, abs=1e-6)
        assert torch.isfinite(torch.autograd.grad(loss, pair[0])[0]).all()


@pytest.mark.parametrize("kind", ["giou", "diou"])
def test_gradients_of_the_iou_losses_on_decoded_boxes(kind):
    anchors = torch.tensor([[0, 0, 10, 10], [20, 0, 40, 10], [5, 5, 9, 9]]).double()
    targets = torch.tensor([[1, 2, 9, 14], [0, 0, 4, 4], [6, 5, 30, 8]]).double()
    deltas = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d: IoULoss(kind)(BoxCoder().decode(d, anchors), targets), deltas)


def test_iou_loss_without_a_match_is_zero_and_differentiable():
    boxes = torch.zeros(0, 4, requires_grad=True)
    for quality in (None, torch.zeros(0)):
        loss = IoULoss()(boxes, torch.zeros(0, 4), quality)
        loss.backward()
        assert loss.item() == 0


@pytest.mark.parametrize("delta", [-1e4, 1e4])
@pytest.mark.parametrize("kind", ["giou", "diou"])
def test_iou_losses_of_wild_deltas_are_finite(kind, delta):
    deltas = torch.full((1, 4), delta, requires_grad=True)
    anchors = torch.tensor([[0.0, 0, 10, 10]])
    loss = IoULoss(kind)(BoxCoder().decode(deltas, anchors), anchors)
    assert torch.isfinite(loss) and torch.isfinite(torch.autograd.grad(loss, deltas)[0]).all()


def test_quality_focal_loss_of_one_anchor():
    logits, column = torch.zeros(1, 1, 2), torch.tensor([[1]])
    # targets 0.2 and 0.8, both predicted as 0.5: 0.3^2 ln 2 each
    loss = QualityFocalLoss()(logits, column, torch.tensor([[0.8]]))
    assert loss.item() == pytest.approx(2 * 0.09 * math.log(2))
    # background: targets 1 and 0, whatever the quality
    loss = QualityFocalLoss()(logits, column - 1, torch.tensor([[0.8]]))
    assert loss.item() == pytest.approx(2 * 0.25 * math.log(2))


def test_quality_focal_loss_has_its_minimum_at_the_quality():
    logits = torch.tensor([[[math.log(0.3 / 0.7), math.log(0.7 / 0.3)]]], requires_grad=True)
    loss = QualityFocalLoss()(logits, torch.tensor([[1]]), torch.tensor([[0.7]]))
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert torch.autograd.grad(loss, logits)[0].tolist() == [[[pytest.approx(0, abs=1e-6)] * 2]]


def test_gradients_of_the_quality_focal_loss():
    logits = torch.randn(2, 6, 4, dtype=torch.double, requires_grad=True)
    columns, quality = torch.randint(0, 4, (2, 6)), torch.rand(2, 6, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: QualityFocalLoss()(x, columns, quality), logits)
    one_class = torch.randn(1, 5, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: QualityFocalLoss()(x, columns[:1, :5] % 2, quality[:1, :5]), one_class)


@pytest.mark.reference
def test_quality_focal_loss_of_perfect_boxes_equals_torchvisions_focal_loss():
    from torchvision.ops import sigmoid_focal_loss

    logits, columns = 3 * torch.randn(2, 50, 4), torch.randint(0, 4, (2, 50))
    one_hot = torch.nn.functional.one_hot(columns, 4).float()
    wanted = sigmoid_focal_loss(logits, one_hot, alpha=-1, gamma=2, reduction="sum")
    assert QualityFocalLoss()(logits, columns, torch.ones(2, 50)).item() == pytest.approx(wanted.item(), rel=1e-5)


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
        (QualityFocalLoss, dict(beta=0.5), "loss.beta is 0.5; give a number from 1"),
        (QualityFocalLoss, dict(box_weight=0), "loss.box_weight is 0"),
        (IoULoss, dict(kind="ciou"), "box_loss.kind is 'ciou'; give 'giou' or 'diou'"),
        (IoULoss, dict(weight=-2), "box_loss.weight is -2; give a number over 0"),
    ],
)
def test_settings_out_of_range_raise_an_error_that_names_them(kind, settings, message):
    with pytest.raises(UserError, match=message):
        kind(**settings)


@pytest.mark.parametrize("gamma", [0, 0.1, 0.5, 1, 1.5, 2, 5])
@pytest.mark.parametrize("logit", [-200.0, -110.0, 110.0, 200.0])
def test_gradients_of_the_focal_loss_are_finite(gamma, logit):
    logits = torch.tensor([[[logit, 8.0, -logit]]], requires_grad=True)
    FocalLoss(gamma=gamma)(logits, torch.tensor([[1]])).backward()
    assert logits.grad.isfinite().all()
