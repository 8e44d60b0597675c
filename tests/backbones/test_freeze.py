"""Fine-tuning: frozen stages and norm statistics, and learning-rate factors per part."""

import copy

import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from torch import nn

from densevision.backbones import build_backbone
from densevision.data.samples import DetSample, SegSample
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper

SMALL = dict(name="mobilenet_v3_small", width=0.35)


def detector(**backbone) -> tuple[nn.Module, list]:
    sample = DetSample()
    sample.gt = InstanceData(boxes=torch.tensor([[8.0, 8, 40, 40]]), labels=torch.tensor([1]))
    return SSDLite(SMALL | backbone, 2, (64, 64)), [sample, sample]


def segmentation_model(**backbone) -> tuple[nn.Module, list]:
    sample = SegSample()
    sample.gt = PixelData(labels=torch.ones(1, 64, 64, dtype=torch.uint8).long())
    model = Segmentor(SMALL | dict(output_stride=16) | backbone, dict(type=LRASPPHead, filters=16), 2)
    return model, [sample, sample]


def train(model: nn.Module, samples: list, steps: int = 2) -> tuple[dict, dict]:
    """Return the state before and after some steps, with a switch to evaluation and back between them."""
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(steps):
        model.eval()
        losses = model.train()(torch.randn(2, 3, 64, 64), samples, mode="loss")
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    return before, model.state_dict()


def moved(before: dict, after: dict) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_stages_end_where_the_table_halves_the_size():
    small, large = build_backbone("mobilenet_v3_small"), build_backbone("mobilenet_v3_large")
    assert [len(stage) for stage in small.stages()] == [1, 1, 2, 5, 4]  # stem; 0; 1, 2; 3 to 7; 8 to 10 and last
    assert [len(stage) for stage in large.stages()] == [2, 2, 3, 6, 4]  # stem, 0; 1, 2; 3 to 5; 6 to 11; 12 to 14, last
    assert [len(stage) for stage in build_backbone("mobilenet_v3_small", output_stride=16).stages()] == [1, 1, 2, 5, 4]


@pytest.mark.parametrize("make", [detector, segmentation_model])
def test_frozen_stages_do_not_change(make):
    torch.manual_seed(0)
    model, samples = make(frozen_stages=3)
    changed = moved(*train(model, samples))
    frozen = ("backbone.stem.", *(f"backbone.blocks.{index}." for index in range(3)))
    assert not [name for name in changed if name.startswith(frozen)]
    assert "backbone.blocks.3.depthwise.0.weight" in changed and "backbone.blocks.3.depthwise.1.running_mean" in changed
    grads = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert not [name for name in grads if name.startswith(frozen)] and any(n.startswith("head.") for n in grads)


@pytest.mark.parametrize("make", [detector, segmentation_model])
def test_frozen_norm_statistics_do_not_change_while_scales_train(make):
    torch.manual_seed(0)
    model, samples = make(freeze_norm_statistics=True)
    changed = moved(*train(model, samples))
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert not [name for name in changed if name.startswith("backbone.") and name.endswith(statistics)]
    # Of a fresh network that normalizes by its initial statistics the signal fades too much to move the stem.
    assert all(parameter.grad is not None for parameter in model.parameters()) and "backbone.last.1.bias" in changed
    assert any(name.startswith("head.") and name.endswith("running_mean") for name in changed)


def test_freeze_norm_statistics_is_true_or_false():
    with pytest.raises(ValueError, match="freeze_norm_statistics is 'yes'; give True or False"):
        build_backbone("mobilenet_v3_small", freeze_norm_statistics="yes")


def test_whole_backbone_can_be_frozen():
    model, samples = detector(frozen_stages=5)
    assert not [name for name in moved(*train(model, samples)) if name.startswith("backbone.")]


@pytest.mark.parametrize(
    "stages, message",
    [
        (6, "frozen_stages is 6; Backbone has 5 stages, give at most 5"),
        (-1, "frozen_stages is -1; give a whole number from 0"),
        (True, "frozen_stages is True; give a whole number from 0"),
    ],
)
def test_wrong_number_of_stages_raises_an_error(stages, message):
    with pytest.raises(ValueError, match=message):
        build_backbone("mobilenet_v3_small", frozen_stages=stages)


def wrapper(**settings):
    config = dict(type=GuardedOptimWrapper, optimizer=dict(type="SGD", lr=0.1, weight_decay=0.3))
    return DecayWeightsOnly(config, **settings)


def test_a_factor_needs_a_learning_rate():
    config = dict(type=GuardedOptimWrapper, optimizer=dict(type="AdamW"))
    with pytest.raises(UserError, match="custom_keys multiplies the learning rate; set optim_wrapper.optimizer.lr"):
        DecayWeightsOnly(config, dict(custom_keys={"backbone.": dict(lr_mult=0.1)}))


def test_learning_rate_factors_apply_to_the_groups():
    model, _ = segmentation_model(frozen_stages=1)
    keys = {"backbone.": dict(lr_mult=0.1), "backbone.last": dict(lr_mult=0.5)}
    groups = wrapper(paramwise_cfg=dict(custom_keys=keys))(model).optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert rates["head.project.0.weight"] == (0.1, 0.3) and rates["head.gate.bias"] == (0.1, 0.0)
    assert rates["backbone.blocks.3.depthwise.0.weight"] == (pytest.approx(0.01), 0.3)
    assert rates["backbone.last.1.weight"] == (pytest.approx(0.05), 0.0)
    assert not any(name.startswith("backbone.stem") for name in rates)


@pytest.mark.parametrize(
    "paramwise, message",
    [
        (dict(custom_keys=dict(bakbone=dict(lr_mult=0.1))), "no parameter has 'bakbone' in its name"),
        (dict(custom_keys=dict(backbone=dict(lr_mult=-1))), r"\['backbone'\].lr_mult is -1; give a number from 0"),
        (dict(custom_keys=dict(backbone=dict(decay_mult=0))), r"\['backbone'\]: give lr_mult only"),
        (dict(custom_keys=dict(backbone=0.1)), r"\['backbone'\]: give lr_mult only"),
        (dict(custom_keys=["backbone."]), r"custom_keys is \['backbone.'\]; give a dict of part of a name"),
        (3, "takes custom_keys only"),
        (dict(norm_decay_mult=0), "takes custom_keys only; more needs constructor='DefaultOptimWrapperConstructor'"),
    ],
)
def test_invalid_factors_raise_an_error(paramwise, message):
    with pytest.raises(UserError, match=message):
        wrapper(paramwise_cfg=paramwise)(segmentation_model()[0])
