"""Train segmentation models with the real runner."""

from pathlib import Path

import numpy as np
import pytest
import torch

from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.segmentation.balance import class_weights
from densevision.training.curves import read_table
from densevision.training.runner import build_runner
from tests.segmentation.conftest import FRAMES, IDS, write_frame

CONFIG = Path(__file__).parents[2] / "configs/segmentation/lraspp_v3_small_reduced_os16_cityscapes.py"


def tiny_runner(config, tmp_path, *changes):
    """Build a training of two iterations on one image, evaluated on another."""
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
    assert metric.confusion.sum() == 63 * 64  # the unlabeled pixel does not count
    assert runner.message_hub.get_scalar("val/seg/mIoU").current() >= 0
    assert Path(metric.write_report(tmp_path / "report")["confusion_png"]).is_file()
    # the val loss: every second row and column of the one val image
    model.load_state_dict(torch.load(tmp_path / "run" / "iter_2.pth", weights_only=True)["state_dict"])
    model.eval()
    data = model.data_preprocessor(next(iter(runner.val_dataloader)), False)
    with torch.no_grad():
        logits = torch.nn.functional.interpolate(model.coarse_logits(data["inputs"]), size=(32, 32), mode="bilinear")
    target = data["data_samples"][0].gt.labels[:, 1::2, 1::2]
    loss = model.loss_function(logits, target)
    assert read_table(tmp_path / "run" / "curves.csv")[-1]["val_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert (tmp_path / "run" / "train_batch.png").is_file() and (tmp_path / "run" / "val_predictions.png").is_file()


def options_of(root, val_classes="dict(background=0, road=1)", **masks):
    """Write one 64x64 image per split, and return ``--cfg-options`` that read them with two classes."""
    for split, ids in masks.items():
        write_frame(root, FRAMES[0], np.array(ids, np.uint8).repeat(32, 0).repeat(32, 1), split)
    options = ["train_dataloader.batch_size=2", "train_cfg.max_iters=2", "param_scheduler=[]"]
    for split, classes in (("train", "dict(background=0, road=1)"), ("val", val_classes), ("test", val_classes)):
        loader = f"{split}_dataloader"
        options += [f"{loader}.dataset.data_root='{root}'", f"{loader}.num_workers=0"]
        options += [f"{loader}.dataset.classes={classes}"]
    return [*options, "train_dataloader.dataset.transforms=[]"]


def run(command, root, options, *files):
    return main([command, str(CONFIG), *files, "--work-dir", str(root / command), "--cfg-options", *options])


def test_masks_of_another_encoding_stop_the_command_with_a_one_line_error(tmp_path, capsys):
    options = options_of(tmp_path, train=[[0, 0], [0, 255]], val=[[0, 0], [0, 255]])
    assert run("train", tmp_path, [*options, "train_dataloader.dataset.max_unnamed=0.5"]) == 2
    output = capsys.readouterr()
    assert "255: 25 % of the pixels (ignored)" in output.out
    assert output.err.startswith("densevision: error: train: no pixel of road=1") and output.err.count("\n") == 1
    assert "did you mean road=255?" in output.err


def test_val_and_test_use_the_classes_of_the_model_and_report_those_without_pixels(tmp_path, capsys):
    masks = dict(train=[[0, 0], [1, 1]], val=[[0, 0], [0, 0]])
    options = options_of(tmp_path, "dict(road=5, background=0)", **masks)
    assert run("train", tmp_path, options) == 0
    output = capsys.readouterr().out
    assert "val: 1 images, 4,096 pixels: background 100 %\n  without pixels: road" in output
    lines = [line for line in output.splitlines() if "evaluation: seg/mIoU" in line]
    assert lines and all("(1 of 2 classes has no pixel)" in line for line in lines)
    assert run("test", tmp_path, options, str(tmp_path / "train/iter_2.pth")) == 0
    table = capsys.readouterr().out
    rows = [line.split() for line in table.splitlines()]
    assert next(row for row in rows if row[:1] == ["background"])[-1] == "100.00"  # of the pixels
    assert next(row for row in rows if row[:1] == ["road"])[-1] == "0.00"
    assert "1 of 2 classes has no pixel" in next(line for line in table.splitlines() if line.startswith("mIoU"))


def test_checkpoint_with_other_classes_raises_an_error_before_the_evaluation(tmp_path, capsys):
    options = options_of(tmp_path, train=[[0, 0], [1, 1]], val=[[0, 0], [1, 1]])
    assert run("train", tmp_path, options) == 0
    capsys.readouterr()
    options = options_of(tmp_path, "dict(background=0, Road=1)")
    assert run("test", tmp_path, options, str(tmp_path / "train/iter_2.pth")) == 2
    error = capsys.readouterr().err
    assert "Road, which the model lacks (did you mean 'road'?)" in error and error.count("\n") == 1


def test_validation_images_of_two_sizes_in_a_batch_stop_before_the_training(tmp_path, capsys):
    options = options_of(tmp_path, train=[[0, 0], [1, 1]], val=[[0, 0], [1, 1]])
    write_frame(tmp_path, FRAMES[1], np.eye(32, 48, dtype=np.uint8), "val")
    assert run("train", tmp_path, [*options, "val_dataloader.batch_size=2"]) == 2
    output = capsys.readouterr()
    assert "images of 2 sizes (48x32, 64x64)" in output.err and "batch_size=1" in output.err
    assert "iter " not in output.out
    assert run("train", tmp_path, options) == 0


def test_raspp_with_batch_size_1_raises_an_error_before_the_training(tmp_path):
    path = CONFIG.with_name("raspp_v3_large_reduced_os16_cityscapes.py")
    runner = tiny_runner(path, tmp_path, "train_dataloader.batch_size=1")
    with pytest.raises(
        UserError, match="train_dataloader.batch_size is 1; RASPPHead needs at least 2 images per batch"
    ):
        runner.train()
    assert not (tmp_path / "run").exists()
