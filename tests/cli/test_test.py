"""``densevision test`` on rendered scenes, against pycocotools and cityscapesscripts called by hand."""

import contextlib
import io
import json

import pytest
import torch

from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.inference.load import build_model
from densevision.scenes import write_dataset
from tests.training import toy_parts  # noqa: F401  # registers Counting
from tests.training.toy_runs import ROOT

CONFIGS = {
    "detection": ROOT / "configs/detection/ssdlite_v3_small_reduced_scenes.py",
    "segmentation": ROOT / "configs/segmentation/lraspp_v3_small_scenes.py",
}
CLASSES = {"detection": 5, "segmentation": 12}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_dataset(folder, train=1, val=3, video_seconds=0.04)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A checkpoint of random weights for each task; box offsets near zero, so that some box hits by chance."""
    folder, paths = tmp_path_factory.mktemp("checkpoints"), {}
    torch.manual_seed(0)
    for task, config in CONFIGS.items():
        model = build_model(load_config(config), CLASSES[task])
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "regress" not in name:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        paths[task] = folder / f"{task}.pth"
        torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta={})), paths[task])
    return paths


def run(task: str, checkpoint, *words: object) -> int:
    return main(["test", str(CONFIGS[task]), str(checkpoint), *map(str, words)])


def evaluated(task: str, scenes, checkpoints, tmp_path, monkeypatch, *options: str) -> dict:
    monkeypatch.setenv("DENSEVISION_DATA", str(scenes.parent))
    out = tmp_path / "metrics.json"
    assert run(task, checkpoints[task], "--work-dir", tmp_path, "--json", out, *options) == 0
    return json.loads(out.read_text())


def test_the_metrics_of_a_detector_are_pycocotools_on_the_written_file(scenes, checkpoints, tmp_path, monkeypatch):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    many = ("--cfg-options", "model.postprocess=dict(max_detections=1000)")
    metrics = evaluated("detection", scenes, checkpoints, tmp_path, monkeypatch, *many)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(scenes / "annotations/instances_val.json")
        official = COCOeval(truth, truth.loadRes(metrics["files"]["detections"]), "bbox")
        official.evaluate()
        official.accumulate()
        official.summarize()
    assert metrics["coco/AP"] == pytest.approx(official.stats[0], abs=1e-9)
    assert metrics["coco/AR100"] == pytest.approx(official.stats[8], abs=1e-9) and official.stats[8] > 0


def test_the_miou_of_a_segmentation_model_is_cityscapesscripts_on_the_written_files(
    scenes, checkpoints, tmp_path, monkeypatch
):
    from densevision.segmentation.official import official_iou

    metrics = evaluated("segmentation", scenes, checkpoints, tmp_path, monkeypatch)
    labels = sorted((scenes / "gtFine/val").glob("*/*_labelIds.png"))
    official = official_iou(tmp_path / "predictions", labels)
    assert metrics["seg/mIoU"] == pytest.approx(official["mIoU"], abs=1e-6) and 0 < official["mIoU"] < 1


def test_bad_input_is_one_line_and_status_2(scenes, checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENSEVISION_DATA", str(tmp_path))
    for checkpoint, message in (
        (tmp_path / "none.pth", "none.pth"),
        (checkpoints["detection"], "scenes"),  # no data there
    ):
        assert run("detection", checkpoint, "--work-dir", tmp_path) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("densevision: error: ") and message in errors and errors.count("\n") == 1
    monkeypatch.setenv("DENSEVISION_DATA", str(scenes.parent))
    assert run("detection", checkpoints["segmentation"], "--work-dir", tmp_path) == 2
    errors = capsys.readouterr().err
    assert "segmentation.pth" in errors and errors.count("\n") == 1


def test_a_worthless_model_is_named_and_others_files_are_kept(scenes, checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENSEVISION_DATA", str(scenes.parent))
    for name in ("ap.txt", "report.html"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        assert run("detection", checkpoints["detection"], "--work-dir", tmp_path) == 0
        printed = capsys.readouterr().out
        assert "warning: this model is worthless: coco/AP50 is 0." in printed
        assert printed.startswith("test: 3 images, ") and "model: SSDLite, " in printed
    (aside,) = tmp_path.glob("before_*")  # the second evaluation overwrites the first one's files only
    assert (aside / "report.html").read_text() == "mine" and "worthless" in (tmp_path / "report.html").read_text()
    assert (aside / "ap.txt").read_text() == (tmp_path / "notes.txt").read_text() == "mine"
    assert "class" in (tmp_path / "ap.txt").read_text()


def test_a_test_that_fails_leaves_nothing(scenes, checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENSEVISION_DATA", str(scenes.parent))
    work = ("--work-dir", tmp_path / "a" / "run")
    for words in (
        (checkpoints["segmentation"], *work),
        (checkpoints["detection"], *work, "--cfg-options", "test_dataloader.dataset.image_dir=nowhere"),
        (checkpoints["detection"], *work, "--cfg-options", "test_evaluator=dict(type='NoSuchMetric')"),
        (checkpoints["detection"], *work, "--cfg-options", "model.num_classes=7"),
    ):
        assert run("detection", *words) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_and_a_file_have_folders_of_their_own():
    from pathlib import Path

    from densevision.api import default_folder

    config = Path("configs/detection/mine.py")
    assert default_folder(config, Path("work_dirs/mine/best.pth")) == Path("work_dirs/mine/test")
    assert default_folder(config, Path("out/mine_int8.tflite")) == Path("work_dirs/mine/test_mine_int8")


def test_a_custom_metric(scenes, checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENSEVISION_DATA", str(scenes.parent))
    own = "test_evaluator=[dict(type='tests.training.toy_parts.Counting', figures=dict(count=3, word='x'))]"
    out = tmp_path / "metrics.json"
    words = ("--work-dir", tmp_path / "run", "--json", out, "--cfg-options", own)
    assert run("detection", checkpoints["detection"], *words) == 0
    assert "\nown/count 3\nown/word x\n" in capsys.readouterr().out
    report = {"report": str(tmp_path / "run" / "report.html"), "report_json": str(tmp_path / "run" / "report.json")}
    assert json.loads(out.read_text()) == {"own/count": 3, "own/word": "x", "files": report}
