"""The end of a training, where a data set augments less: from which sample on, and after a resume."""

import pytest
import torch

from densevision.data.sampler import LateKey, SeededSampler
from densevision.errors import UserError
from densevision.training.stop import TrainingStopped
from tests.detection.conftest import write_coco
from tests.training.test_resume import differing
from tests.training.toy_parts import Halves
from tests.training.toy_runs import make_runner, train

LATE = "train_dataloader.dataset.type=tests.training.test_late.LateHalves"
FAST = ("default_hooks.curves=None", "val_dataloader=None", "train_cfg.max_iters=16", LATE)


class LateHalves(Halves):
    """Late images are darker, and it is written down which ones they are."""

    late_after = 0.75
    seen: list[bool] = []

    def __getitem__(self, key):
        item, late = super().__getitem__(key), isinstance(key, LateKey)
        LateHalves.seen.append(late)
        return dict(item, inputs=item["inputs"] // 2) if late else item


class OnlyStart(SeededSampler):
    """A sampler of an older program."""

    def __init__(self, dataset, seed=None):
        super().__init__(dataset, seed)
        del self.late_from


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The checkpoint of a training without interruption: 16 iterations, the last 4 of them late."""
    folder = tmp_path_factory.mktemp("whole")
    LateHalves.seen.clear()
    train(folder, *FAST)
    seen = list(LateHalves.seen)
    return torch.load(folder / "iter_16.pth", weights_only=True), seen


def state(checkpoint):
    return [checkpoint[part] for part in ("state_dict", "ema_state_dict", "optimizer")]


def test_the_samples_of_the_last_iterations_are_late(whole):
    checkpoint, seen = whole
    assert seen[:4] == [True] * 4  # tried and undone
    assert seen[4:52] == [False] * 48 and seen[52:68] == [True] * 16  # 4 images per iteration
    assert checkpoint["meta"]["late_from"] == 48


@pytest.mark.parametrize("iteration", [5, 14])
def test_a_resumed_training_continues_exactly(whole, tmp_path, iteration):
    with pytest.raises(TrainingStopped):
        train(tmp_path, *FAST, f"custom_hooks.0.at={iteration}")
    train(tmp_path, *FAST, resume=True)
    assert differing(state(whole[0]), state(torch.load(tmp_path / "iter_16.pth", weights_only=True))) == []


def test_a_longer_training_is_late_later(tmp_path):
    train(tmp_path, *FAST, "train_cfg.max_iters=4")
    LateHalves.seen.clear()
    runner = train(tmp_path, *FAST, "train_cfg.max_iters=8", resume=True)
    assert runner.train_dataloader.sampler.late_from == 24 and LateHalves.seen[4:13] == [False] * 8 + [True]


def test_a_changed_length_while_the_loader_reads_ahead(tmp_path):
    with pytest.raises(TrainingStopped):
        train(tmp_path, *FAST, "custom_hooks.0.at=2")
    path = tmp_path / "iter_2.pth"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["meta"]["late_from"] = 42  # as a time limit may leave it
    torch.save(checkpoint, path)
    LateHalves.seen.clear()
    train(tmp_path, *FAST, resume=True)
    assert LateHalves.seen[4:39] == [False] * 34 + [True]


def test_a_sampler_without_late_samples_is_an_error(tmp_path):
    kind = "train_dataloader.sampler.type=tests.training.test_late.OnlyStart"
    make_runner(tmp_path / "plain", *FAST[:3], kind).train_loop  # noqa: B018  # builds it
    with pytest.raises(UserError, match=r"sampler is OnlyStart; a training needs dict\(type=SeededSampler\)"):
        make_runner(tmp_path / "late", *FAST, kind).train_loop  # noqa: B018


CONFIG = """
from mmengine.config import read_base
from torch.optim import SGD
from densevision.data.sampler import SeededSampler
from densevision.detection.coco import CocoDataset
from densevision.detection.mixing import BoxCopyPaste, BoxMixUp, BoxMosaic
from densevision.detection.model import SSDLite
from tests.training.toy_parts import SignalSelf
with read_base():
    from densevision.configs._base_.runtime import *
train_dataloader = dict(
    dataset=dict(
        type=CocoDataset, data_root={root!r}, ann_file="truth.json", image_dir="images",
        mix=[dict(type=BoxMosaic, p=0.7), dict(type=BoxMixUp, p=0.5), dict(type=BoxCopyPaste, p=0.7)], mix_until=0.6,
    ),
    sampler=dict(type=SeededSampler), batch_size=3, num_workers={workers},
)
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = test_evaluator = test_cfg = None
model = dict(type=SSDLite, backbone=dict(name="mobilenet_v3_small", width=0.25), input_size=(64, 64), num_classes=None)
train_cfg.update(max_iters=10)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.01, momentum=0.9))
custom_hooks = [dict(type=SignalSelf, at={at})]
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_mosaic_mixup_and_copy_paste_resume_exactly(tmp_path, workers):
    from densevision.api import train as train_config

    root = write_coco(tmp_path / "data")
    states = []
    for name, stops in dict(whole=[0], resumed=[3, 8, 0]).items():
        for at in stops:
            config = tmp_path / "config.py"
            config.write_text(CONFIG.format(root=str(root), workers=workers, at=at))
            try:
                train_config(config, work_dir=tmp_path / name, resume=at != stops[0])
            except TrainingStopped as stopped:
                assert stopped.iteration == at
        states.append(state(torch.load(tmp_path / name / "iter_10.pth", weights_only=True)))
    assert differing(*states) == []
