"""A segmenter through the real runner."""

from pathlib import Path

import numpy as np
import pytest

from densevision.errors import UserError
from densevision.segmentation.balance import class_weights
from densevision.training.runner import build_runner, load_config
from tests.segmentation.conftest import FRAMES, IDS, write_frame

CONFIG = (
    Path(__file__).parents[2]
    / "configs/segmentation/lraspp128_mobilenet_v3_small_reduced_os16_769x769_320k_cityscapes.py"
)


def tiny_runner(config, tmp_path, *changes):
    """A training of two iterations on one image, evaluated on another."""
    ids = IDS.repeat(8, 0).repeat(8, 1)
    for name, split in zip(FRAMES, ("train", "val"), strict=True):
        write_frame(tmp_path, name, ids, split)
    options = [f"{loader}.dataset.data_root='{tmp_path}'" for loader in ("train_dataloader", "val_dataloader")]
    options += [f"{loader}.num_workers=0" for loader in ("train_dataloader", "val_dataloader")]
    options += ["train_dataloader.dataset.transforms=[]", "train_dataloader.batch_size=2", "train_cfg.max_iters=2"]
    config = load_config(config, [*options, "param_scheduler=[]", *changes])
    config.work_dir = str(tmp_path / "run")
    return build_runner(config)


def test_training_balances_classes_evaluates_and_reports(tmp_path):
    runner = tiny_runner(CONFIG, tmp_path, "custom_hooks=[dict(type='densevision.BalanceClasses')]")
    model = runner.train()
    frequency = np.zeros(19)
    frequency[[0, 10, 13]] = np.array([30, 32, 1]) / 63  # road, sky, car
    assert model.loss_function.class_weights.numpy() == pytest.approx(class_weights(frequency), rel=1e-5)
    metric = runner.val_evaluator.metrics[0]
    assert metric.confusion.sum() == 63 * 64  # the unlabelled pixel does not count
    assert runner.message_hub.get_scalar("val/seg/mIoU").current() >= 0
    assert Path(metric.write_report(tmp_path / "report")["confusion_png"]).is_file()


def test_r_aspp_needs_two_images_and_says_so_before_the_training(tmp_path):
    path = CONFIG.with_name("raspp256_mobilenet_v3_large_reduced_os16_769x769_320k_cityscapes.py")
    runner = tiny_runner(path, tmp_path, "train_dataloader.batch_size=1")
    with pytest.raises(UserError, match="train_dataloader.batch_size is 1; RASPPHead trains on 2 images a batch"):
        runner.train()
    assert not (tmp_path / "run").exists()
