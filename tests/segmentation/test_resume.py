"""Trainings with what is switched on only in training: they resume bit for bit, and leave the network as it is."""

from pathlib import Path

import pytest
import torch

from densevision.config.load import load_config
from densevision.training.runner import build_runner
from tests.segmentation.conftest import FRAMES, IDS, write_frame
from tests.training.test_resume import differing

CONFIG = Path(__file__).parents[2] / "configs/segmentation/lraspp_v3_small_camvid.py"
LOSSES = (
    "model.loss=dict(type='densevision.SumLoss', losses=[dict(type='densevision.CrossEntropyLoss'), "
    "dict(type='densevision.BoundaryCrossEntropyLoss'), dict(type='densevision.LovaszSoftmaxLoss')], "
    "begins=[0, 0, 0.5])"
)


TRANSFORMS = (
    "dict(type='densevision.PasteClass', classes=['car'], p=0.5)",
    "dict(type='densevision.CutMix', p=0.5)",
    "dict(type='densevision.ColorTransfer', p=0.5)",
    "dict(type='densevision.ClassUniformCrop', height=64, width=48, share=0.5)",
)
AUXILIARY = "model.auxiliary=dict(type='densevision.AuxiliaryHead', filters=8)"


@pytest.fixture
def frames(tmp_path):
    """Write three images of 64x64 for training, and one for evaluation; return the options that read them."""
    ids = IDS.repeat(8, 0).repeat(8, 1)
    for number, shown in enumerate((ids, ids[::-1], ids[:, ::-1])):
        write_frame(tmp_path, f"bern_{number:06}_000019", shown, "train")
    write_frame(tmp_path, FRAMES[0], ids, "val")
    return [
        *(f"{loader}_dataloader.dataset.data_root='{tmp_path}'" for loader in ("train", "val")),
        *(f"{loader}_dataloader.dataset.image_suffix='_leftImg8bit.png'" for loader in ("train", "val")),
        *(f"{loader}_dataloader.num_workers=0" for loader in ("train", "val")),
        *(
            "train_dataloader.batch_size=2",
            "train_cfg.max_iters=4",
            "train_cfg.val_interval=2",
            "param_scheduler=[]",
            "default_hooks.curves=None",
        ),
        *("train_dataloader.dataset.classes=['sky', 'road', 'car']", "val_dataloader.dataset.classes=None"),
        "model.backbone.width=0.35",
        *(
            f"train_dataloader.dataset.transforms=[{', '.join(TRANSFORMS)}]",
            "val_dataloader.dataset.classes=['sky', 'road', 'car']",
        ),
    ]


def train(folder, options, *, resume_from=None, config=CONFIG):
    loaded = load_config(config, options)
    loaded.work_dir, loaded.resume, loaded.load_from = str(folder), resume_from is not None, resume_from
    runner = build_runner(loaded)
    runner.train()
    return runner


def check_resume(tmp_path, options):
    """Train four iterations, and the last two again from a checkpoint; compare all that a checkpoint has."""
    train(tmp_path / "whole", options)
    train(tmp_path / "resumed", options, resume_from=str(tmp_path / "whole" / "iter_2.pth"))
    whole, resumed = (torch.load(tmp_path / name / "iter_4.pth", weights_only=True) for name in ("whole", "resumed"))
    for part in ("state_dict", "ema_state_dict", "optimizer"):
        assert differing(whole[part], resumed[part], part) == []
    return whole


@pytest.mark.slow
def test_resume_is_exact_with_all_that_is_for_training_only(tmp_path, frames):
    check_resume(tmp_path, [*frames, LOSSES, AUXILIARY])
