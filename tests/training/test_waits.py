"""Between two log lines a training never waits for the device, and a skipped batch changes nothing."""

import copy

import pytest
import torch
from mmengine.structures import InstanceData, LabelData, PixelData

from densevision.classification.model import ImageClassifier
from densevision.data.samples import ClsSample, DetSample, SegSample
from densevision.detection.assigners import DynamicAssigner
from densevision.detection.loss import FocalLoss, IoULoss, QualityFocalLoss, SoftmaxLoss
from densevision.detection.model import SSDLite
from densevision.segmentation.auxiliary import AuxiliaryHead
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.loss import BoundaryCrossEntropyLoss, CrossEntropyLoss, OHEMCrossEntropyLoss
from densevision.segmentation.lovasz import LovaszSoftmaxLoss
from densevision.segmentation.model import Segmentor
from densevision.segmentation.sum_loss import SumLoss
from densevision.training import deferred
from densevision.training.muon import MuonAdamW
from densevision.training.optim import GuardedOptimWrapper
from densevision.training.rmsprop import RMSpropTF
from tests.training.toy_runs import make_runner
from tests.training.waits import Waits

SIZE = (64, 64)
SEGMENTATION_LOSSES = [CrossEntropyLoss, OHEMCrossEntropyLoss, BoundaryCrossEntropyLoss, LovaszSoftmaxLoss]


def detection_batch():
    samples = [DetSample(metainfo=dict(ori_size=SIZE, input_size=SIZE)) for _ in range(3)]
    for sample, boxes in zip(samples, ([[2, 3, 30, 40], [20, 20, 60, 50]], [], [[5, 5, 12, 11]]), strict=True):
        sample.gt = InstanceData(
            boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels=torch.arange(len(boxes))
        )
    return samples


def segmentation_batch():
    samples = [SegSample(metainfo=dict(ori_size=SIZE, input_size=SIZE)) for _ in range(3)]
    for number, sample in enumerate(samples):
        labels = (torch.arange(64 * 64).view(1, *SIZE) // 700 % 3).to(torch.uint8)
        labels[..., : 8 * number] = 255
        sample.gt = PixelData(labels=labels)
    return samples


def classification_batch():
    samples = [ClsSample(metainfo=dict(ori_size=SIZE)) for _ in range(3)]
    for number, sample in enumerate(samples):
        sample.gt = LabelData(label=torch.tensor([number]))
    return samples


def detector(**parts):
    return SSDLite(dict(name="mobilenet_v3_small", width=0.35), num_classes=3, input_size=SIZE, **parts)


def segmentor(loss):
    return Segmentor(
        dict(name="mobilenet_v3_small", width=0.35, output_stride=16),
        dict(type=LRASPPHead, filters=16),
        num_classes=3,
        loss=loss,
        auxiliary=dict(type=AuxiliaryHead, filters=8),
    )


TASKS = {
    "focal": lambda: (detector(loss=dict(type=FocalLoss)), detection_batch()),
    "softmax": lambda: (detector(loss=dict(type=SoftmaxLoss)), detection_batch()),
    "dynamic": lambda: (
        detector(
            loss=dict(type=QualityFocalLoss), box_loss=dict(type=IoULoss), assigner=dict(type=DynamicAssigner, topk=5)
        ),
        detection_batch(),
    ),
    "segmentation": lambda: (
        segmentor(dict(type=SumLoss, losses=[dict(type=loss) for loss in SEGMENTATION_LOSSES])),
        segmentation_batch(),
    ),
    "classification": lambda: (
        ImageClassifier(dict(name="mobilenet_v3_small", width=0.35), num_classes=3, input_size=SIZE),
        classification_batch(),
    ),
}
OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.01),
    "MuonAdamW": lambda p: MuonAdamW(p, lr=0.01),
    "RMSpropTF": lambda p: RMSpropTF(p, lr=1e-4),
}


def images(*, broken=False):
    generator = torch.Generator().manual_seed(0)
    pixels = [torch.randint(0, 256, (3, *SIZE), generator=generator, dtype=torch.uint8) for _ in range(3)]
    return [image * float("nan") for image in pixels] if broken else pixels


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the path of a device whose numbers are not known without waiting."""
    monkeypatch.setattr(deferred, "waits", lambda value: True)


QUICK = ("focal", "segmentation", "classification")


@pytest.mark.parametrize(
    ("task", "amp"),
    [
        pytest.param(task, amp, marks=[] if amp and task in QUICK else pytest.mark.slow)
        for task in TASKS
        for amp in (None, "bf16")
    ],
)
def test_a_step_never_waits(task, amp, as_on_a_gpu):
    torch.manual_seed(0)
    model, samples = TASKS[task]()
    model.train()
    wrapper = GuardedOptimWrapper(OPTIMIZERS["SGD"](model.parameters()), clip_grad=dict(max_norm=10.0), amp=amp)
    model.train_step(dict(inputs=images(), data_samples=samples), wrapper)  # the first step of a parameter waits
    with Waits() as counts:
        for broken in (True, False):
            losses = model.train_step(dict(inputs=images(broken=broken), data_samples=samples), wrapper)
    assert counts == {}
    assert wrapper.bad_in_a_row == 0 and torch.isfinite(losses["loss"])
    if amp:
        assert all(parameter.dtype is torch.float32 for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("amp", "gpu"), [(None, True), ("bf16", True), (None, False)])
def test_a_skipped_batch_changes_no_bit(optimizer, amp, gpu, monkeypatch):
    monkeypatch.setattr(deferred, "waits", lambda value: gpu)
    torch.manual_seed(0)
    model, samples = TASKS["focal"]()
    model.train()
    wrapper = GuardedOptimWrapper(OPTIMIZERS[optimizer](model.parameters()), clip_grad=dict(max_norm=10.0), amp=amp)
    data = [dict(inputs=images(broken=broken), data_samples=samples) for broken in (False, True)]
    model.train_step(data[1], wrapper)  # before the optimizer has any state
    assert wrapper.bad_in_a_row == 1
    for _ in range(2):
        model.train_step(data[0], wrapper)
    before = copy.deepcopy((model.state_dict(), wrapper.optimizer.state_dict()["state"]))
    model.train_step(data[1], wrapper)
    assert wrapper.bad_in_a_row == 1
    after = model.state_dict(), wrapper.optimizer.state_dict()["state"]
    assert all(torch.equal(tensor, after[0][name]) for name, tensor in before[0].items())
    for number, values in before[1].items():
        assert all(torch.equal(tensor, after[1][number][name]) for name, tensor in values.items() if tensor is not None)


def test_a_training_waits_at_its_log_lines_only(tmp_path, as_on_a_gpu):
    options = ["train_cfg.max_iters=12", "default_hooks.progress.interval=5", "default_hooks.curves=None"]
    runner = make_runner(tmp_path, *options, "val_dataloader=None", "val_evaluator=None", "val_cfg=None")
    loop, seen = runner.train_loop, {}
    original = loop.run_iter

    def counted(batch):
        with Waits() as counts:
            original(batch)
        seen[loop.iter] = sum(counts.values())

    loop.run_iter = counted
    runner.train()
    waiting = {iteration for iteration, number in seen.items() if number}
    assert waiting == {1, 5, 10, 12}  # 1: the optimizer has no state yet


def test_a_skipped_batch_after_the_state_was_loaded_leaves_no_state(as_on_a_gpu):
    layer = torch.nn.Linear(2, 1)
    wrapper = GuardedOptimWrapper(torch.optim.AdamW(layer.parameters()))
    before = copy.deepcopy(wrapper.state_dict())
    wrapper.update_params(layer(torch.ones(1, 2)).sum())
    wrapper.load_state_dict(before)  # as after steps that are tried
    wrapper.update_params(layer(torch.full((1, 2), torch.nan)).sum())
    assert wrapper.bad_in_a_row == 1 and not wrapper.optimizer.state


@pytest.mark.parametrize("gpu", [True, False])
def test_a_skipped_batch_does_not_move_the_average(tmp_path, gpu, monkeypatch):
    monkeypatch.setattr(deferred, "waits", lambda value: gpu)
    runner = make_runner(tmp_path, "model.nan_at=(3,)", "train_cfg.max_iters=4", "default_hooks.curves=None")
    loop, states = runner.train_loop, []
    average = next(hook for hook in runner.hooks if type(hook).__name__ == "EMAHook")
    original = loop.run_iter

    def kept(batch):
        original(batch)
        states.append(copy.deepcopy(average.ema_model.module.state_dict()))

    loop.run_iter = kept
    runner.train()
    equal = [all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(states, states[1:], strict=False)]
    assert equal == [False, True, False] and int(average.ema_model.steps) == 4
