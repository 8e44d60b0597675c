import math

import pytest
import torch

from densevision.detection.distillation import AnchorDistillation
from densevision.detection.loss import IoULoss, SoftmaxLoss
from densevision.errors import UserError
from tests.detection.test_model import small_model


class Tiny:
    """A model of one anchor, 10 pixels wide and high, whose scores are given."""

    def __init__(self, **options):
        self.model = small_model(**options)
        self.model.anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0]])

    def sums(self, logits, deltas, scores, boxes, **options):
        targets = torch.tensor([[scores]]), torch.tensor([[boxes]])
        outputs = torch.tensor([[logits]]), torch.tensor([[deltas]])
        return AnchorDistillation(**options)(self.model, outputs, targets)


ANCHOR = [0.0, 0.0, 10.0, 10.0]


def test_scores_follow_with_the_weighted_cross_entropy():
    # two classes; scores 0.5 (logit 0) and 0.5, the teacher's are 0.9 and 0.5: 0.4 ** 2 * log(2) for the first
    sums, weight = Tiny().sums([7.0, 0.0, 0.0], [0.0] * 4, [0.9, 0.5], ANCHOR)
    assert sums["teacher_cls"].item() == pytest.approx(0.16 * math.log(2), rel=1e-5)
    assert sums["teacher_box"].item() == 0
    assert weight.item() == pytest.approx(0.9)
    sums, _ = Tiny().sums([7.0, 0.0, 0.0], [0.0] * 4, [0.9, 0.5], ANCHOR, beta=1.0, weight=3.0)
    assert sums["teacher_cls"].item() == pytest.approx(3 * 0.4 * math.log(2), rel=1e-5)


def test_softmax_scores_follow_alike():
    # softmax of [0, log 2, 0] is 1/4, 1/2, 1/4; the teacher says 1/2, 0 of the classes: 1/16 * -log(3/4) for the last
    sums, _ = Tiny(loss=dict(type=SoftmaxLoss)).sums([0.0, math.log(2), 0.0], [0.0] * 4, [0.5, 0.0], ANCHOR)
    assert sums["teacher_cls"].item() == pytest.approx(-math.log(0.75) / 16, rel=1e-4)


def test_boxes_follow_with_the_models_own_loss():
    # the teacher's box is shifted by 0.5 pixels: dx = 10 * 0.05 = 0.5; smooth L1 0.125, times 1/4, times 0.8
    shifted = [0.5, 0.0, 10.5, 10.0]
    sums, _ = Tiny().sums([9.0, 0.0, 0.0], [0.0] * 4, [0.8, 0.1], shifted)
    assert sums["teacher_box"].item() == pytest.approx(0.125 / 4 * 0.8, rel=1e-4)
    # GIoU of the two: 95 / 105 with no space around; weight 2, times the score, times the factor
    sums, _ = Tiny(box_loss=dict(type=IoULoss)).sums([9.0, 0.0, 0.0], [0.0] * 4, [0.8, 0.1], shifted, box_weight=0.5)
    assert sums["teacher_box"].item() == pytest.approx(0.5 * 2 * 0.8 * (1 - 95 / 105), rel=1e-4)
    sums, _ = Tiny().sums([9.0, 0.0, 0.0], [0.0] * 4, [0.8, 0.1], shifted, box_weight=0.0)
    assert list(sums) == ["teacher_cls"]


def test_boxes_of_uncertain_anchors_do_not_count():
    sums, weight = Tiny().sums([9.0, 0.0, 0.0], [0.0] * 4, [0.29, 0.1], [5.0, 5.0, 9.0, 9.0])
    assert sums["teacher_box"].item() == weight.item() == 0
    sums, weight = Tiny().sums([9.0, 0.0, 0.0], [0.0] * 4, [0.29, 0.1], [5.0, 5.0, 9.0, 9.0], min_score=0.2)
    assert sums["teacher_box"].item() > 0 and weight.item() == pytest.approx(0.29)


@pytest.mark.parametrize("options", [{}, dict(loss=dict(type=SoftmaxLoss)), dict(box_loss=dict(type=IoULoss))])
def test_nothing_is_left_to_follow_where_both_agree(options):
    torch.manual_seed(0)
    model = small_model(**options).eval()
    images = torch.randn(2, 3, 64, 64)
    distillation = AnchorDistillation(min_score=0.001)
    outputs = tuple(values.detach().requires_grad_() for values in model.forward_head(images))
    sums, weight = distillation(model, outputs, distillation.targets(model, images, [0, 1]))
    assert sum(sums.values()).item() == pytest.approx(0, abs=1e-4) and weight > 0
    sum(sums.values()).backward()
    assert max(values.grad.abs().max().item() for values in outputs) < 1e-3


@pytest.mark.parametrize("options", [{}, dict(loss=dict(type=SoftmaxLoss)), dict(box_loss=dict(type=IoULoss))])
def test_gradients_are_those_of_finite_differences(options):
    torch.manual_seed(0)
    model = small_model(**options).double()
    anchors = model.anchors.shape[0]
    scores, boxes = torch.rand(1, anchors, 2).double(), model.anchors[None] + torch.rand(1, anchors, 4) * 3
    distillation, chosen = AnchorDistillation(), torch.tensor([0, anchors // 2, anchors - 1])
    kept = torch.randn(1, anchors, 3).double(), torch.randn(1, anchors, 4).double() / 3

    model.anchors = model.anchors[chosen]

    def total(logits, deltas):
        sums, _ = distillation(model, (logits, deltas), (scores[:, chosen], boxes[:, chosen]))
        return sum(sums.values())

    assert torch.autograd.gradcheck(total, [values[:, chosen].requires_grad_() for values in kept])


def test_targets_are_the_teachers_in_the_order_of_the_models_classes():
    torch.manual_seed(0)
    teacher, images = small_model().eval(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted_boxes, wanted = teacher.predict_dense(images)
        scores, boxes = AnchorDistillation().targets(teacher, images, [1, 0])
    assert torch.equal(scores, wanted[..., [1, 0]])
    inside = ((boxes >= 0) & (boxes <= 64)).all(-1)  # predict_dense clips
    assert torch.equal(boxes[inside], wanted_boxes[inside])


def test_other_sizes_and_anchors_are_one_line():
    distillation, model = AnchorDistillation(), small_model()
    distillation.check(model, small_model(loss=dict(type=SoftmaxLoss)), "large.pth")
    other = small_model()
    other.input_size = (96, 64)
    with pytest.raises(UserError, match=r"large.pth has model.input_size=\(96, 64\), the model \(64, 64\)"):
        distillation.check(model, other, "large.pth")
    for anchors in (dict(lowest=None), dict(scales=(0.1, 0.3, 0.5, 0.65, 0.8, 0.95))):
        with pytest.raises(UserError, match="large.pth has other anchors .*same model.anchors"):
            distillation.check(model, small_model(anchors=anchors), "large.pth")


@pytest.mark.parametrize(
    ("option", "value"),
    [("weight", 0), ("box_weight", -1), ("beta", 0.5), ("min_score", 0), ("min_score", 1.5), ("weight", "a")],
)
def test_bad_settings_are_one_line(option, value):
    with pytest.raises(UserError, match=f"teacher.loss.{option} is {value!r}"):
        AnchorDistillation(**{option: value})
