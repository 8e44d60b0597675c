"""tools/benchmarks/peers.py: which models it trains, how long, and what it prints."""

import importlib.util
import json
import sys

import pytest
import torch

from densevision.errors import UserError
from tests.detection.conftest import coco_root  # noqa: F401  # a fixture
from tests.detection.test_training import CONFIG as DETECTOR
from tests.segmentation.test_resume import CONFIG as SEGMENTOR
from tests.segmentation.test_resume import frames  # noqa: F401  # a fixture
from tests.training.toy_runs import ROOT

sys.path.insert(0, str(ROOT / "tools/benchmarks"))
SPEC = importlib.util.spec_from_file_location("peers", ROOT / "tools/benchmarks/peers.py")
peers = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(peers)
sys.path.remove(str(ROOT / "tools/benchmarks"))


def row(model, kind, seed, value, seconds=60):
    return dict(
        config="bccd", epochs=9, metric="coco/AP", model=model, kind=kind, seed=seed, value=value, seconds=seconds
    )


def test_the_table_has_mean_spread_and_time_ours_first():
    rows = [
        row("ssdlite320", "torchvision", 0, 0.48, None),
        row("mine", "ours", 1, 0.58),
        row("mine", "ours", 0, 0.56, 180),
    ]
    assert peers.table(rows) == [
        "bccd, 9 epochs: coco/AP on the val data",
        "model                                runs    mean  spread  minutes  by seed",
        "mine                                    2   57.00    2.00      2.0  0: 56.00, 1: 58.00",
        "ssdlite320                              1   48.00    0.00        -  0: 48.00",  # it was resumed
    ]


def test_models_follow_from_the_task_and_what_is_installed(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert peers.kinds_of("detection", None) == peers.kinds_of("segmentation", None) == ["ours", "torchvision"]
    for task, only, message in (
        ("classification", None, "classification has no peers"),
        ("detection", ["yolo"], "ultralytics is not installed"),
        ("segmentation", ["yolo"], "--only yolo: there is no such model for segmentation"),
    ):
        with pytest.raises(UserError, match=message):
            peers.kinds_of(task, only)
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: name)
    assert peers.kinds_of("detection", None) == ["ours", "torchvision", "yolo"]


def test_schedules_are_those_of_the_references():
    def factors(task, epochs, length):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = peers.RECIPES[task][-1](optimizer, epochs, length)
        found = []
        for _ in range(epochs * length):
            found.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return found

    assert factors("detection", 2, 3) == pytest.approx([0.001, 0.5005, 1, 0.5, 0.5, 0.5])
    assert factors("segmentation", 2, 2) == pytest.approx([1, 0.75**0.9, 0.5**0.9, 0.25**0.9])


def test_faults_are_one_line(capsys, tmp_path):
    for words, message in (
        (["no_such_config"], "no_such_config"),
        (["ssdlite_v3_small_reduced_bccd", "--epochs", "0"], "--epochs 0: give a number from 1"),
        (["v3_small_bccd_cells"], "has no peers"),
    ):
        with pytest.raises(SystemExit) as stopped:
            peers.main([*words, "--out", str(tmp_path)])
        errors = capsys.readouterr().err
        assert stopped.value.code == 2 and message in errors and errors.count("\n") == 1


def check(tmp_path, words, metric, name, capsys):
    words = [*words, "--epochs", "1", "--seeds", "0", "--out", str(tmp_path / "out")]
    assert peers.main(words) == 0
    rows = [json.loads(line) for line in (tmp_path / "out/rows.jsonl").read_text().splitlines()]
    assert [found["kind"] for found in rows] == ["ours", "torchvision"]
    assert rows[1]["model"] == name and rows[1]["metric"] == metric and 0 <= rows[1]["value"] <= 1
    assert all(row["seconds"] is not None for row in rows)
    capsys.readouterr()
    assert peers.main(words) == 0  # nothing is trained again
    assert capsys.readouterr().out.splitlines()[0].endswith(f"1 epochs: {metric} on the val data")


@pytest.mark.slow
def test_detectors_are_trained_once(tmp_path, coco_root, capsys):  # noqa: F811
    (coco_root / "val.json").write_text((coco_root / "truth.json").read_text())
    path = tmp_path / "configs/detection/mine.py"
    path.parent.mkdir(parents=True)
    (tmp_path / "configs/_base_").symlink_to(ROOT / "configs/_base_")
    path.write_text(DETECTOR.format(base=".._base_", root=str(coco_root)))
    words = [str(path), "--only", "ours", "torchvision"]
    check(tmp_path, words, "coco/AP", "ssdlite320_mobilenet_v3_large", capsys)


@pytest.mark.slow
def test_segmentors_are_trained_once(tmp_path, frames, capsys):  # noqa: F811
    words = [str(SEGMENTOR), "--cfg-options", *frames, "train_cfg.max_iters=2"]
    check(tmp_path, words, "seg/mIoU", "lraspp_mobilenet_v3_large", capsys)


@pytest.mark.slow
def test_a_stopped_training_of_torchvision_ends_as_one_that_was_not(tmp_path, frames, monkeypatch):  # noqa: F811
    config = peers.load_config(str(SEGMENTOR), frames)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0})  # no workers
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    peers.train_torchvision(config, "segmentation", 2, 0, tmp_path / "whole")

    state = sys.modules["torchvision_peers"].State
    with monkeypatch.context() as patch:
        save = state.save
        patch.setattr(state, "save", lambda self, epochs: (save(self, epochs), patch.undo(), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            peers.train_torchvision(config, "segmentation", 2, 0, tmp_path / "stopped")
    torch.manual_seed(7)
    peers.train_torchvision(config, "segmentation", 2, 0, tmp_path / "stopped")

    whole, resumed = (torch.load(tmp_path / name / "state.pth")["model"] for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
