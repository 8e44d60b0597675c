"""The quickstart, shortened to a few scenes and two iterations of each model."""

import json
from pathlib import Path

import cv2
import pytest

from densevision.cli import quickstart
from densevision.cli.main import main


@pytest.fixture
def short(monkeypatch):
    from densevision import scenes
    from densevision.training import runner

    write, load = scenes.write_dataset, runner.load_config
    short = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]
    few = dict(train=4, val=3, video_seconds=0.2)
    monkeypatch.setattr(scenes, "write_dataset", lambda folder, seed, **_: write(folder, seed=seed, **few))
    monkeypatch.setattr(runner, "load_config", lambda path, options=(): load(path, [*options, *short]))


@pytest.mark.slow
def test_everything_named_in_the_summary_is_there_twice_in_a_row(short, tmp_path, capsys):
    for _ in range(2):
        assert main(["quickstart", "--out", str(tmp_path)]) == 0
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert 0 <= summary["coco/AP50"] <= 1 and 0 < summary["seg/mIoU"] < 1 and summary["seconds"] > 1
        assert summary["seg/mIoU"] == pytest.approx(summary["cityscapesscripts/mIoU"], abs=1e-6)
        for film in ("detection/film", "segmentation/film"):
            assert cv2.VideoCapture(summary["files"][film]).get(cv2.CAP_PROP_FRAME_COUNT) == 5
        assert cv2.imread(summary["files"]["comparison"]).shape[1] > 4 * 600
        assert "coco/AP50" in capsys.readouterr().out
        for path in map(Path, summary["files"].values()):
            assert path.exists() and tmp_path in path.parents


def test_a_package_without_configs_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(quickstart.densevision, "__file__", str(tmp_path / "densevision" / "__init__.py"))
    assert main(["quickstart", "--out", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert "run the quickstart in a source checkout" in errors and errors.count("\n") == 1
