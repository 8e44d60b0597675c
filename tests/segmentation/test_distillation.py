import math

import pytest
import torch
from mmengine.structures import PixelData

from densevision.data.samples import SegSample
from densevision.errors import UserError
from densevision.segmentation.distillation import PixelDistillation
from tests.segmentation.test_auxiliary import segmentor

KIND = dict(type="PixelDistillation")


def labeled(target):
    made = SegSample()
    made.gt = PixelData(labels=torch.tensor(target, dtype=torch.uint8)[None])
    return [made]


def test_loss_is_the_divergence_times_the_square_of_the_temperature():
    # one pixel, two classes: the teacher 3/4 and 1/4 at temperature 1, the model 1/2 and 1/2
    ours, theirs = torch.zeros(1, 2, 1, 1), torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1)
    wanted = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    loss = PixelDistillation(temperature=1.0)
    sums, count = loss(None, ours, theirs, labeled([[1]]))
    assert sums["teacher"].item() == pytest.approx(wanted, rel=1e-6) and count.item() == 1
    # at temperature 2 the logits are halved: the square roots of 3 and 1, normalized
    share = math.sqrt(3) / (math.sqrt(3) + 1)
    wanted = 4 * (share * math.log(share / 0.5) + (1 - share) * math.log((1 - share) / 0.5))
    sums, _ = PixelDistillation(weight=0.5, temperature=2.0)(None, ours, theirs, labeled([[1]]))
    assert sums["teacher"].item() == pytest.approx(0.5 * wanted, rel=1e-6)


def test_ignored_pixels_do_not_count():
    torch.manual_seed(0)
    ours, theirs = torch.randn(1, 3, 1, 2), torch.randn(1, 3, 1, 2)
    loss = PixelDistillation(step=1)
    both, count = loss(None, ours, theirs, labeled([[0, 2]]))
    parts = [loss(None, ours, theirs, labeled([row]))[0]["teacher"].item() for row in ([0, 255], [255, 0])]
    assert both["teacher"].item() == pytest.approx(sum(parts)) and count.item() == 2
    none, count = loss(None, ours.requires_grad_(), theirs, labeled([[255, 255]]))
    none["teacher"].backward()
    assert none["teacher"].item() == count.item() == 0 and not ours.grad.any()


def test_one_of_step_rows_and_columns_is_measured():
    ours, theirs = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    target = labeled([[0] * 8] * 8)
    loss = PixelDistillation(step=4)
    theirs[:, 0, 2, 6] = 5.0  # rows and columns 2 and 6 are measured
    sums, count = loss(None, ours, loss._thin(theirs), target)
    assert sums["teacher"].item() > 0 and count.item() == 4
    theirs[:, 0, 2, 6], theirs[:, 0, 3, 6] = 0.0, 5.0
    assert loss(None, ours, loss._thin(theirs), target)[0]["teacher"].item() == 0


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    ours, theirs = torch.randn(1, 3, 2, 2).double().requires_grad_(), torch.randn(1, 3, 2, 2).double()
    loss, target = PixelDistillation(step=1), labeled([[0, 255], [1, 2]])
    assert torch.autograd.gradcheck(lambda logits: loss(None, logits, theirs, target)[0]["teacher"], [ours])


def test_targets_are_the_teachers_in_the_order_of_the_models_classes():
    teacher, images = segmentor().eval(), torch.randn(1, 3, 64, 96)
    loss = PixelDistillation()
    with torch.no_grad():
        found = loss.targets(teacher, images, [4, 0])
        wanted = teacher(images)[:, [4, 0], 2::4, 2::4]
    assert torch.equal(found, wanted)
    again = labeled([[0] * 96] * 64)
    assert loss(None, teacher(images)[:, [4, 0]], found, again)[0]["teacher"].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("option", "value"), [("weight", 0), ("temperature", 0), ("temperature", "a"), ("step", 0)])
def test_bad_settings_are_one_line(option, value):
    with pytest.raises(UserError, match=f"teacher.loss.{option} is {value!r}"):
        PixelDistillation(**{option: value})


@pytest.mark.parametrize("loss", [KIND, dict(type="SumLoss", losses=[dict(type="CrossEntropyLoss"), KIND])])
def test_it_is_no_loss_against_labels(loss):
    with pytest.raises(UserError, match="model.loss: PixelDistillation compares .*; give it as teacher.loss"):
        segmentor(loss=loss)
