"""Many images and frames in constant memory: the most that a command has ever used, for few and for many."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from densevision.images import write_image
from tests.cli.test_demo import DETECTOR, save_model, write_video

FEW, MANY = 200, 2000
MOST = 24  # MB that a process of Python may differ by from run to run
ROOT = Path(__file__).parents[2]


def peak(*words):
    """Run the command; return the most memory that it used, in MB."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-m", "densevision", *map(str, words)], env=environment) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss / 1024


@pytest.mark.slow
def test_predict_takes_the_same_memory_for_many_images(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    write_image(tmp_path / "many/0.png", pixels)
    for number in range(1, MANY):
        os.link(tmp_path / "many/0.png", tmp_path / f"many/{number}.png")
    (tmp_path / "few").mkdir()
    for number in range(FEW):
        os.link(tmp_path / "many/0.png", tmp_path / f"few/{number}.png")
    found = {}
    for name in ("few", "many"):
        outputs = ("--json", tmp_path / f"{name}.json", "--csv", tmp_path / f"{name}.csv")
        options = ("--config", config, "--score-threshold", "0.01", "--save-images", tmp_path / f"{name}_drawn")
        found[name] = peak("predict", checkpoint, tmp_path / name, *options, *outputs)
    assert len(json.loads((tmp_path / "many.json").read_bytes())["results"]) == MANY
    print(found)
    assert found["many"] - found["few"] < MOST, found


@pytest.mark.slow
def test_the_demo_takes_the_same_memory_for_many_frames(tmp_path):
    model = save_model(tmp_path, DETECTOR)
    found = {}
    for name, frames in (("few", FEW), ("many", MANY)):
        video = write_video(tmp_path / f"{name}.mp4", frames)
        outputs = ("--out", tmp_path / f"{name}.avi", "--json", tmp_path / f"{name}.json")
        found[name] = peak("demo", *model, "--input", video, "--score-threshold", "0.01", *outputs)
    assert len(json.loads((tmp_path / "many.json").read_bytes())["frames"]) == MANY
    print(found)
    assert found["many"] - found["few"] < MOST, found
