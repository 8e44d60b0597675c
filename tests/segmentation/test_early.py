"""The first part of a training with other transforms: which samples see them, the time left, resume, bad input."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from densevision.api import train
from densevision.data.sampler import LateKey, SampleKey
from densevision.errors import UserError
from densevision.training.loop import TrainLoop
from densevision.training.stop import TrainingStopped
from tests.segmentation.conftest import make_dataset, mask, write_frame
from tests.training.test_resume import differing

CROP = dict(type="RandomCrop", height=8, width=8)
SMALL = dict(type="RandomCrop", height=4, width=4)
MASKS = [mask((7, 60), (23, 4)), mask((7, 30), (23, 34))]


def shapes(data):
    return {kind.__name__: tuple(data[kind(0, 5)]["inputs"].shape) for kind in (SampleKey, LateKey)}


def test_early_samples_are_those_of_a_data_set_with_these_transforms(tmp_path):
    both = make_dataset(tmp_path, MASKS, transforms=[CROP], early=dict(until=0.25, transforms=[SMALL]))
    small = make_dataset(tmp_path, MASKS, transforms=[SMALL])
    assert both.late_after == 0.25
    assert shapes(both) == dict(SampleKey=(3, 4, 4), LateKey=(3, 8, 8))
    for seed in range(5):
        ours, theirs = (data[SampleKey(1, seed)] for data in (both, small))
        assert torch.equal(ours["inputs"], theirs["inputs"])
        assert torch.equal(ours["data_samples"].gt.labels, theirs["data_samples"].gt.labels)
    assert tuple(both[1]["inputs"].shape) == (3, 8, 8)  # evaluation sees whole images


def test_without_early_there_is_nothing_late(tmp_path):
    data = make_dataset(tmp_path, MASKS, transforms=[SMALL])
    data.count("train")
    assert (data.late_after, data.late_growth) == (1.0, 1.0)
    assert shapes(data) == dict(SampleKey=(3, 4, 4), LateKey=(3, 4, 4))


def test_late_images_have_four_times_the_pixels(tmp_path):
    data = make_dataset(tmp_path, MASKS, transforms=[CROP], early=dict(until=0.5, transforms=[SMALL]))
    data.count("train")
    assert data.late_growth == 4.0


def test_late_images_are_compared_where_transforms_read_another_image(tmp_path):
    mixed = [dict(type="ColorTransfer", p=1.0), dict(type="CutMix", p=1.0)]
    early = dict(until=0.5, transforms=[*mixed, SMALL])
    data = make_dataset(tmp_path, MASKS, transforms=[*mixed, CROP], early=early)
    data.count("train")
    assert data.late_growth == 4.0


@pytest.mark.parametrize(
    ("early", "message"),
    [
        (dict(until=0, transforms=[SMALL]), r"early.until in the data set is 0"),
        (dict(until=40, transforms=[SMALL]), r"early.until in the data set is 40"),
        (
            dict(until=0.5, transforms=[dict(type="RandomCrop", height=4, width=0)]),
            r"transform RandomCrop in the config: .*width",
        ),
    ],
)
def test_bad_values_are_one_line(tmp_path, early, message):
    with pytest.raises(UserError, match=message):
        make_dataset(tmp_path, MASKS, transforms=[CROP], early=early)


def test_an_early_crop_larger_than_an_image_is_found_before_training(tmp_path):
    large = dict(type="RandomCrop", height=9, width=9)
    data = make_dataset(tmp_path, MASKS, transforms=[CROP], early=dict(until=0.5, transforms=[large]))
    with pytest.raises(UserError, match="crops more than an image of 8x8 has"):
        data.count("train")


@pytest.mark.parametrize(
    ("iteration", "seconds"),
    [
        (0, 2.8),  # 4 of 10 iterations at 1 s, 6 at 4 s
        (2, 3.25),  # 2 of 8 at 1 s, 6 at 4 s
        (4, 1.0),  # measured late
        (10, 1.0),
    ],
)
def test_the_time_left_counts_that_late_iterations_take_longer(iteration, seconds):
    loop = TrainLoop.__new__(TrainLoop)
    loop.max_iters, loop._iter, loop._late_growth = 10, iteration, 4.0
    loop.dataloader = SimpleNamespace(dataset=SimpleNamespace(late_after=0.4))
    assert loop.ahead(1.0) == pytest.approx(seconds)


CONFIG = """
from mmengine.config import read_base
from albumentations import RandomCrop
from densevision.data.sampler import SeededSampler
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.training.muon import MuonAdamW
from tests.training.toy_parts import SignalSelf
with read_base():
    from densevision.configs._base_.runtime import *
train_dataloader = dict(
    dataset=dict(
        type=CityscapesDataset, data_root={root!r}, split="train",
        transforms=[dict(type=RandomCrop, height=64, width=64)],
        early=dict(until=0.6, transforms=[dict(type=RandomCrop, height=32, width=32)]),
    ),
    sampler=dict(type=SeededSampler), batch_size=2, num_workers={workers},
)
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = test_evaluator = test_cfg = None
model = dict(
    type=Segmentor, backbone=dict(name="mobilenet_v3_small", width=0.25, output_stride=16),
    head=dict(type=LRASPPHead, filters=8), num_classes=None,
)
train_cfg.update(max_iters=5)
optim_wrapper.update(optimizer=dict(type=MuonAdamW, lr=0.01))
custom_hooks = [dict(type=SignalSelf, at={at})]
"""


@pytest.fixture
def config(tmp_path):
    """Return a function that writes the config of a training of 5 iterations, the first 3 of them early."""
    rng = np.random.default_rng(0)
    for number in range(3):
        write_frame(
            tmp_path / "data", f"bern_{number:06}_000019", rng.choice([7, 23], (64, 80)).astype(np.uint8), "train"
        )

    def write(**values):
        path = tmp_path / "config.py"
        path.write_text(CONFIG.format(root=str(tmp_path / "data"), **(dict(workers=0, at=0) | values)))
        return path

    return write


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["transforms=[dict(type='PasteClass', classes=['tree'], p=0.01)]"],
            "PasteClass: 'tree' is no class of the data",
        ),
        (
            ["transforms=[dict(type='OneOf', transforms=[dict(type='PasteClass', classes=['tree'])])]"],
            "PasteClass: 'tree' is no class of the data",
        ),
        (["transforms=[dict(type='RandomScale', scale_limit=(-0.8, -0.6), p=1.0)]"], "a batch mixes images of"),
        (["loss.losses.1.class_weights=[1, 2]"], "class_weights has 2 numbers; give 19, one per class"),
    ],
)
def test_what_is_wrong_late_is_found_before_the_first_iteration(tmp_path, config, monkeypatch, changes, message):
    seen = record_shapes(monkeypatch)
    losses = "[dict(type='CrossEntropyLoss'), dict(type='OHEMCrossEntropyLoss')]"
    options = [f"model.loss=dict(type='SumLoss', losses={losses}, begins=[0, 0.5])"]
    options += [f"{'model' if 'loss' in one else 'train_dataloader.dataset'}.{one}" for one in changes]
    with pytest.raises(UserError, match=message):
        train(config(), work_dir=tmp_path / "work", overrides=options)
    assert (32, 32) not in seen


def test_losses_that_begin_late_are_tried_without_an_early_part(tmp_path, config, monkeypatch):
    losses = "[dict(type='CrossEntropyLoss'), dict(type='CrossEntropyLoss', class_weights=[1, 2])]"
    options = [
        f"model.loss=dict(type='SumLoss', losses={losses}, begins=[0, 0.5])",
        "train_dataloader.dataset.early=None",
    ]
    seen = record_shapes(monkeypatch)
    with pytest.raises(UserError, match="class_weights has 2 numbers; give 19, one per class"):
        train(config(), work_dir=tmp_path / "work", overrides=options)
    assert len(seen) == 1


@pytest.mark.parametrize("given, missing", [("dict(until=0.5)", "transforms"), ("dict(transforms=[])", "until")])
def test_an_early_part_needs_both_arguments(tmp_path, config, given, missing):
    path = config()
    whole = "early=dict(until=0.6, transforms=[dict(type=RandomCrop, height=32, width=32)])"
    path.write_text(path.read_text().replace(whole, f"early={given}"))
    with pytest.raises(UserError, match=f"early.{missing} is missing: early needs until and transforms"):
        train(path, work_dir=tmp_path / "work")


def record_shapes(monkeypatch):
    from densevision.segmentation.model import Segmentor

    seen, loss = [], Segmentor.loss
    monkeypatch.setattr(
        Segmentor, "loss", lambda self, inputs, samples: seen.append(inputs.shape[-2:]) or loss(self, inputs, samples)
    )
    return seen


def test_a_training_sees_first_small_then_large_images(tmp_path, config, monkeypatch):
    seen = record_shapes(monkeypatch)
    train(config(), work_dir=tmp_path / "work")
    assert seen == [(64, 64)] + 3 * [(32, 32)] + 2 * [(64, 64)]  # the first is tried and undone


def test_what_is_tried_before_changes_nothing(tmp_path, config, monkeypatch):
    states = []
    for name in ("tried", "not_tried"):
        if name == "not_tried":
            monkeypatch.setattr("densevision.training.loop.rehearse_late_step", lambda runner: None)
        train(config(), work_dir=tmp_path / name)
        checkpoint = torch.load(tmp_path / name / "iter_5.pth", weights_only=True)
        states.append([checkpoint[part] for part in ("state_dict", "ema_state_dict", "optimizer")])
    assert differing(*states) == []


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_resumed_training_continues_exactly(tmp_path, config, workers):
    states = []
    for name, stops in dict(whole=[0], resumed=[2, 4, 0]).items():
        for at in stops:
            try:
                train(config(at=at, workers=workers), work_dir=tmp_path / name, resume=at != stops[0])
            except TrainingStopped as stopped:
                assert stopped.iteration == at
        checkpoint = torch.load(tmp_path / name / "iter_5.pth", weights_only=True)
        states.append([checkpoint[part] for part in ("state_dict", "ema_state_dict", "optimizer")])
    assert differing(*states) == []
