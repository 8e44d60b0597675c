"""A detector trains on a single image per process ."""

import copy

import pytest
import torch
from mmengine.structures import InstanceData
from torch import nn

from densevision.backbones.layers import BatchNorm2d
from densevision.data.samples import DetSample
from densevision.detection.model import SSDLite


def sample(size):
    made = DetSample(metainfo=dict(ori_size=size, input_size=size))
    made.gt = InstanceData(boxes=torch.tensor([[4.0, 4.0, 24.0, 28.0]]), labels=torch.tensor([0]))
    return made


def step(size: tuple[int, int], batch: int) -> SSDLite:
    model = SSDLite(dict(name="mobilenet_v3_small", width=0.35), num_classes=2, input_size=size).train()
    losses = model(torch.randn(batch, 3, *size), [sample(size) for _ in range(batch)], mode="loss")
    sum(losses.values()).backward()
    return model


@pytest.mark.parametrize("size", [(320, 320), (64, 96), (32, 32), (33, 1)])
@pytest.mark.parametrize("batch", [1, 2])
def test_every_weight_gets_a_finite_gradient(size, batch):
    for name, parameter in step(size, batch).named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_map_of_one_pixel_is_normalized_by_the_running_statistics():
    norm = BatchNorm2d(2, eps=0.0, momentum=0.5)
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    norm.running_var.copy_(torch.tensor([4.0, 9.0]))
    out = norm(torch.tensor([[[[5.0]], [[2.0]]]]))
    assert out.flatten().tolist() == [2.0, 0.0]  # (5 - 1) / 2, (2 - 2) / 3
    assert norm.running_mean.tolist() == [1.0, 2.0] and norm.running_var.tolist() == [4.0, 9.0]
    assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 2, 1), (4, 3, 5, 5)])
def test_larger_batches_equal_pytorch_bit_for_bit(shape):
    ours, theirs = BatchNorm2d(3, eps=1e-3, momentum=0.03), nn.BatchNorm2d(3, eps=1e-3, momentum=0.03)
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    images = torch.randn(shape)
    assert torch.equal(ours(images), theirs(images))
    assert all(torch.equal(ours.state_dict()[name], tensor) for name, tensor in theirs.state_dict().items())
