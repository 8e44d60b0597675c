"""Run the Cityscapes script in its own process on the files that IoUMetric writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.segmentation.conftest import write_frame
from tests.segmentation.test_official import evaluate

pytest.importorskip("cityscapesscripts")
CAR, PERSON = 26, 24
MODULE = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
COMMAND = Path(sys.executable).with_name("csEvalPixelLevelSemanticLabeling")
SCRIPT = [str(COMMAND)] if COMMAND.is_file() else [sys.executable, "-m", MODULE]
WITHOUT_INSTANCES = f"import {MODULE} as script; script.args.evalInstLevelScore = False; script.main()"


def scene(random):
    """Make label ids and instance ids of 32x48: random classes with three cars and a person."""
    ids = random.choice([0, 4, 7, 8, 11, 21, 23, 33], (32, 48)).astype(np.uint8)
    instances = ids.astype(np.int32)
    for number, (label, row, column) in enumerate([(CAR, 2, 3), (CAR, 2, 20), (CAR, 18, 30), (PERSON, 18, 5)]):
        area = np.s_[row : row + 8 + number, column : column + 9]
        ids[area], instances[area] = label, 1000 * label + number
    return ids, instances


def run_script(root, predictions, command):
    """Run a command in an environment with labels and predictions; return its json."""
    environment = dict(os.environ, CITYSCAPES_DATASET=str(root), CITYSCAPES_RESULTS=str(predictions))
    ran = subprocess.run(command, env=environment, text=True, capture_output=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads((root / "evaluationResults" / "resultPixelLevelSemanticLabeling.json").read_text())


def check_scores(result, ours):
    """Compare each class and the mean."""
    theirs = {name: score for name, score in result["classScores"].items() if score == score}
    assert {f"seg/IoU_{name}" for name in theirs} == {name for name in ours if "IoU_" in name}
    for name, score in theirs.items():
        assert score == pytest.approx(ours[f"seg/IoU_{name}"], abs=1e-9), name
    assert result["averageScoreClasses"] == pytest.approx(ours["seg/mIoU"], abs=1e-9)


@pytest.fixture
def folder(tmp_path):
    """Write a Cityscapes folder of two frames; return it with the instance ids by label path."""
    random, instances_of = np.random.default_rng(5), {}
    for number in range(2):
        ids, instances = scene(random)
        _, path = write_frame(tmp_path, f"bern_{number:06}_000019", ids)
        instances_of[path] = instances
    return tmp_path, instances_of


@pytest.mark.reference
def test_official_script_gives_our_scores_and_instance_level_scores(folder):
    root, instances_of = folder
    for path, instances in instances_of.items():
        Image.fromarray(instances.astype(np.uint16)).save(str(path).replace("labelIds", "instanceIds"))
    _, ours = evaluate(root, None, root / "out", np.random.default_rng(3))
    result = run_script(root, root / "out", SCRIPT)
    check_scores(result, ours)
    # iIoU by hand: each instance has the weight of one of average size, false positives are not weighted.
    hit = missed = wrong = 0.0
    for path, instances in instances_of.items():
        name = Path(path).name.replace("gtFine_labelIds", "leftImg8bit")
        predicted, truth = np.asarray(Image.open(root / "out" / "bern" / name)), np.asarray(Image.open(path))
        for number in np.unique(instances[instances // 1000 == CAR]):
            inside = instances == number
            hit += (predicted[inside] == CAR).mean() * 12794.0202738185
            missed += (predicted[inside] != CAR).mean() * 12794.0202738185
        wrong += ((predicted == CAR) & (truth != CAR) & ~np.isin(truth, [0, 4])).sum()
    assert result["classInstScores"]["car"] == pytest.approx(hit / (hit + missed + wrong), abs=1e-9)
    assert 0 < result["averageScoreInstClasses"] < 1


@pytest.mark.reference
def test_official_script_works_without_instance_files(folder):
    root, _ = folder
    _, ours = evaluate(root, None, root / "out", np.random.default_rng(3))
    check_scores(run_script(root, root / "out", [sys.executable, "-c", WITHOUT_INSTANCES]), ours)
