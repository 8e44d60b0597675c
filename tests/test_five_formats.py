"""From a folder of 12 images to an int8 .tflite and an annotated video, by the printed commands, without an edit."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.five_formats import FORMATS

ROOT = Path(__file__).parents[1]
SHORT = "train_cfg.max_iters=4 train_cfg.val_interval=2 train_dataloader.num_workers=0 val_dataloader.num_workers=0"


def densevision(folder, *words):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="2")
    environment.pop("DENSEVISION_DATA", None)
    command = [sys.executable, "-m", "densevision", *map(str, words)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, f"{words}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_five_commands_from_a_folder_to_a_phone_and_a_video(tmp_path, kind):
    pytest.importorskip("litert_torch")
    here = tmp_path / "my projects é"
    FORMATS[kind](here / kind)
    printed = densevision(here, "new", kind)
    next_command = printed.splitlines()[-1].removeprefix("next: densevision ").split()
    assert next_command == ["train", f"{kind}.py"]
    densevision(here, *next_command, "--cfg-options", *SHORT.split())
    best = f"work_dirs/{kind}/best.pth"
    assert (here / best).is_file()
    densevision(here, "test", best)
    densevision(here, "export", best, "--quantize", "int8", "--out", f"{kind}.tflite")
    densevision(here, "demo", f"{kind}.tflite", "--input", f"{kind}/{images_of(here / kind)}", "--out", "out.mp4")
    video = cv2.VideoCapture(str(here / "out.mp4"))
    assert video.isOpened() and video.get(cv2.CAP_PROP_FRAME_COUNT) == 12


def images_of(data):
    return "JPEGImages" if (data / "JPEGImages").is_dir() else "images"
