"""The quickstart, shortened to a few scenes and two iterations of each model."""

import json
import shlex
from pathlib import Path

import cv2
import pytest

from densevision.cli import quickstart
from densevision.cli.main import command_parser, main

SCENES = dict(train=4, val=3, video_seconds=0.2)
SHORT = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]


@pytest.mark.slow
def test_everything_named_in_the_summary_is_there_twice_in_a_row(tmp_path, capsys):
    for _ in range(2):
        quickstart.make(tmp_path, 0, SCENES, SHORT)
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert 0 <= summary["coco/AP50"] <= 1 and 0 < summary["seg/mIoU"] < 1 and summary["seconds"] > 1
        assert summary["seg/mIoU"] == pytest.approx(summary["cityscapesscripts/mIoU"], abs=1e-6)
        for video in ("detection/video", "segmentation/video"):
            assert cv2.VideoCapture(summary["files"][video]).get(cv2.CAP_PROP_FRAME_COUNT) == 5
        assert cv2.imread(summary["files"]["comparison"]).shape[1] > 4 * 600
        assert "coco/AP50" in capsys.readouterr().out
        for path in map(Path, summary["files"].values()):
            assert path.exists() and tmp_path in path.parents
        listed = json.loads((tmp_path / ".densevision.json").read_text())["made"]
        found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
        assert found - {".densevision.json", "detection/notes.txt"} == set(listed)
        (tmp_path / "detection/notes.txt").write_text("of the user")
    assert (tmp_path / "detection/notes.txt").read_text() == "of the user"


def foreign(place):
    (place / "detection").mkdir(parents=True)
    (place / "detection/mine.txt").write_text("precious")
    (place / "configs").mkdir()
    (place / "configs/mine.py").write_text("precious")
    (place / "folder").mkdir()
    (place / "link").symlink_to(place / "folder")
    (place / "gone").symlink_to(place / "nowhere")


@pytest.mark.parametrize(
    "out", [".", "", "configs", "/", "configs/mine.py", "configs/mine.py/out", "link", "gone", "..", "n" * 300]
)
def test_a_folder_that_is_not_its_own_is_refused_before_any_work(tmp_path, monkeypatch, capsys, out):
    place = tmp_path / "place"
    foreign(place)
    monkeypatch.chdir(place)
    before = sorted(tmp_path.rglob("*"))
    assert main(["quickstart", "--out", out]) == 2
    printed, error = capsys.readouterr()
    assert not printed and error.startswith("densevision: error: --out ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before and (place / "detection/mine.txt").read_text() == "precious"


def test_the_patterns_name_every_file_of_a_run():
    """Of a run with the default options; the slow test above holds that a second run finds no file in its way."""
    from fnmatch import fnmatchcase

    for name in (
        "scenes/leftImg8bit/train/street/street_000012_000019_leftImg8bit.png",
        "detection.mp4",
        "scenes/gtFine/val/street/street_000012_000019_gtFine_labelIds.png",
        "detection/iter_300.pth",
        "scenes/annotations/instances_val.json",
        "segmentation/20261121_101500/vis_data/scalars.json",
        "segmentation/test/predictions/street/street_000001_000019_leftImg8bit.png",
        "segmentation/lraspp_v3_small_scenes.py",
    ):
        assert any(fnmatchcase(name, pattern) for pattern in quickstart.WRITES), name
    for name in (
        "detection/mine.pth",
        "detection/mine.py",
        "detection/before_20261121_101500/best.pth",
        "notes.txt",
        "scenes/leftImg8bit/train/street/mine.png",
        "detection/2026_results/best.pth",
    ):
        assert not any(fnmatchcase(name, pattern) for pattern in quickstart.WRITES), name


def test_the_last_lines_name_the_program_as_it_was_called(monkeypatch):
    monkeypatch.setattr("sys.argv", ["my env/bin/densevision", "quickstart"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert (
        quickstart._as_called("densevision web a --out densevision")
        == "'my env/bin/densevision' web a --out densevision"
    )
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/densevision")
    assert quickstart._as_called("densevision web a") == "densevision web a"


def test_the_last_lines_are_commands_for_the_models_that_were_trained():
    lines = [shlex.split(line) for line in quickstart.browser_commands(Path("/my runs"))]
    assert [words[:2] for words in lines] == [["densevision", "export"]] * 2 + [["densevision", "web"]]
    parsed = [command_parser(words[1]).parse_command(words[2:]) for words in lines]
    assert [str(one.out) for one in parsed] == [
        "/my runs/detection.tflite",
        "/my runs/segmentation.tflite",
        "/my runs/site",
    ]
    assert parsed[2].models == [one.out for one in parsed[:2]]
