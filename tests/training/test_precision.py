"""bf16 against float32: the same training with the same batches."""

import pytest
import torch
from mmengine.structures import InstanceData, PixelData

from densevision.data.samples import DetSample, SegSample
from densevision.detection.model import SSDLite
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.training.optim import GuardedOptimWrapper

SIDE, BATCH, ITERATIONS, WINDOW = 96, 8, 100, 20


def squares(number):
    """Images with a bright square of a class's color on noise, the boxes, and the label maps."""
    generator = torch.Generator().manual_seed(number)
    images, boxes, labels = [], [], []
    for _ in range(BATCH):
        kind = int(torch.randint(3, (), generator=generator))
        side, top, left = (int(torch.randint(24, 48, (), generator=generator)) for _ in range(3))
        image = torch.randint(0, 80, (3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        label = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
        image[kind, top : top + side, left : left + side] += 150
        label[0, top : top + side, left : left + side] = kind + 1
        images.append(image)
        boxes.append((kind, torch.tensor([[left, top, left + side, top + side]], dtype=torch.float32)))
        labels.append(label)
    return images, boxes, labels


def detection():
    def batch(number):
        images, boxes, _ = squares(number)
        samples = [DetSample(metainfo=dict(ori_size=(SIDE, SIDE), input_size=(SIDE, SIDE))) for _ in images]
        for sample, (kind, box) in zip(samples, boxes, strict=True):
            sample.gt = InstanceData(boxes=box, labels=torch.tensor([kind]))
        return dict(inputs=images, data_samples=samples)

    return SSDLite(dict(name="mobilenet_v3_small"), num_classes=3, input_size=(SIDE, SIDE)), batch, 0.003


def segmentation():
    def batch(number):
        images, _, labels = squares(number)
        samples = [SegSample(metainfo=dict(ori_size=(SIDE, SIDE), input_size=(SIDE, SIDE))) for _ in images]
        for sample, label in zip(samples, labels, strict=True):
            sample.gt = PixelData(labels=label)
        return dict(inputs=images, data_samples=samples)

    backbone = dict(name="mobilenet_v3_small", output_stride=16)
    return Segmentor(backbone, dict(type=LRASPPHead), num_classes=4), batch, 0.02


def curve(task, amp):
    """Mean losses of ``WINDOW`` iterations each."""
    torch.manual_seed(0)
    model, batch, rate = task()
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    wrapper = GuardedOptimWrapper(optimizer, clip_grad=dict(max_norm=10.0), amp=amp)
    losses = []
    for number in range(ITERATIONS):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (number + 1) / 20)
        losses.append(model.train_step(batch(number), wrapper)["loss"].detach())
    return torch.stack(losses).view(-1, WINDOW).mean(1)


@pytest.mark.slow
@pytest.mark.parametrize("task", [detection, segmentation])
def test_the_loss_curve_of_bf16_is_that_of_float32(task):
    wanted, found = curve(task, None), curve(task, "bf16")
    difference = ((found - wanted).abs() / wanted).max().item()
    print(f"{task.__name__}: float32 {wanted[0]:.3f} to {wanted[-1]:.3f}, bf16 at most {difference:.2%} off")
    assert wanted[-1] < 0.7 * wanted[0] and difference < 0.05
