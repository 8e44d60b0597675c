"""Many images and frames in constant memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from densevision.atomic import partial_path
from densevision.images import write_image
from tests.cli.test_demo import DETECTOR, save_model, write_video

FEW, MANY = 200, 2000
MOST = 20  # MB; 1,800 images of 58 kB in memory would be 104
ROOT = Path(__file__).parents[2]


def growth(record, *words):
    """Run the command; return by how many MB its memory grew from the results of FEW images on to the end.

    Args:
        record: its --json, which has a line per image while it is written.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    first, most = 0.0, 0.0
    with subprocess.Popen([sys.executable, "-m", "densevision", *map(str, words)], env=environment) as process:
        while process.poll() is None:
            used = resident(process.pid)
            unfinished = partial_path(record)
            if not first and unfinished.exists() and unfinished.read_bytes().count(b"\n") > FEW:
                first = used
            most = max(most, used)
            time.sleep(0.1)
    assert process.returncode == 0 and first
    return most - first


def resident(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):  # it has just ended
        return 0.0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="of Linux")
@pytest.mark.slow
def test_predict_takes_the_same_memory_for_many_images(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    write_image(tmp_path / "many/0.png", pixels)
    for number in range(1, MANY):
        os.link(tmp_path / "many/0.png", tmp_path / f"many/{number}.png")
    record = tmp_path / "found.json"
    outputs = ("--json", record, "--csv", tmp_path / "found.csv", "--save-images", tmp_path / "drawn")
    options = ("--config", config, "--score-threshold", "0.01")
    grown = growth(record, "predict", checkpoint, tmp_path / "many", *options, *outputs)
    assert len(json.loads(record.read_bytes())["results"]) == MANY
    assert grown < MOST


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="of Linux")
@pytest.mark.slow
def test_the_demo_takes_the_same_memory_for_many_frames(tmp_path):
    video, record = write_video(tmp_path / "in.mp4", MANY), tmp_path / "found.json"
    outputs = ("--out", tmp_path / "out.avi", "--json", record)
    model = save_model(tmp_path, DETECTOR)
    grown = growth(record, "demo", *model, "--input", video, "--score-threshold", "0.01", *outputs)
    assert len(json.loads(record.read_bytes())["frames"]) == MANY
    assert grown < MOST
