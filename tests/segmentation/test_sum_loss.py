import pytest
import torch
from torch import nn

from densevision.config.build_errors import config_errors
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.segmentation.loss import CrossEntropyLoss
from densevision.segmentation.model import Segmentor
from densevision.segmentation.sum_loss import SumLoss
from densevision.training.loop import set_progress


class Constant(nn.Module):
    """The mean of all logits times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits, target):
        return self.factor * logits.mean()


LOGITS, TARGET = torch.ones(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8)


def value(loss, share=0.0):
    set_progress(loss, share)
    return loss(LOGITS, TARGET).item()


def test_losses_are_weighted_and_added():
    assert value(SumLoss([Constant(1), Constant(10)])) == 11
    assert value(SumLoss([Constant(1), Constant(10)], weights=[2, 0.5])) == 7
    assert value(SumLoss([Constant(3), Constant(5)], weights=[0, 1])) == 5


def test_a_loss_begins_at_its_share_of_the_schedule():
    loss = SumLoss([Constant(1), Constant(10), Constant(100)], begins=[0, 0.5, 1])
    # iterations 0 to 3 of 4, and the end
    assert [value(loss, share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1, 11, 11, 111]


def test_evaluation_counts_what_begins_at_0():
    loss = SumLoss([Constant(1), Constant(10)], begins=[0, 0.5]).eval()
    assert [value(loss, share) for share in (0, 0.75)] == [1, 1]


def test_gradients_are_the_weighted_sum():
    logits = LOGITS.clone().requires_grad_()
    SumLoss([Constant(1), Constant(10)], weights=[2, 0.5])(logits, TARGET).backward()
    assert logits.grad.flatten().tolist() == pytest.approx([7 / 8] * 8)


def test_losses_are_built_from_configs_and_found_in_a_model():
    model = MODELS.build(
        dict(
            type=Segmentor,
            backbone=dict(name="mobilenet_v3_small", width=0.35, output_stride=16),
            head=dict(type="LRASPPHead", filters=8),
            num_classes=2,
            loss=dict(type=SumLoss, losses=[dict(type="CrossEntropyLoss"), dict(type="LovaszSoftmaxLoss")]),
        )
    )
    assert isinstance(model.loss_function.losses[0], CrossEntropyLoss)
    set_progress(model, 0.75)
    assert model.loss_function.progress == 0.75


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(losses=[]), r"losses is \[\]; give a list of losses"),
        (dict(losses=dict(type="CrossEntropyLoss")), "losses is .*; give a list of losses"),
        (dict(weights=[1]), r"weights is \[1\]; give a list of 2 numbers"),
        (dict(weights=0.5), "weights is 0.5; give a list of 2 numbers"),
        (dict(weights=[1, -1]), r"weights\[1\] is -1; give a number from 0"),
        (dict(weights=[1, float("nan")]), r"weights\[1\] is nan"),
        (dict(begins=[0, 1.5]), r"begins\[1\] is 1.5; give a number from 0 to 1"),
        (dict(begins=[0.1, 0.5]), "one loss must begin at 0"),
        (dict(begins=[0, 0.5], weights=[0, 1]), "one loss must begin at 0 with a weight over 0"),
        (dict(weights=[0, 0]), "one loss must begin at 0 with a weight over 0"),
        (dict(losses=[dict(type="Lovasz"), dict(type="CrossEntropyLoss")]), "'Lovasz'"),
        (dict(losses=[3, 4]), r"losses has 3; give a list such as \[dict\(type=CrossEntropyLoss\)\]"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    losses = [dict(type="CrossEntropyLoss"), dict(type="LovaszSoftmaxLoss")]
    with pytest.raises(UserError, match=message) as caught, config_errors():
        MODELS.build(dict(type=SumLoss, losses=losses) | settings)
    assert "\n" not in str(caught.value)
