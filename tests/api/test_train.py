"""What ``import densevision`` offers: from a training to results, each as the command has it."""

import json
import os
import random

import cv2
import numpy as np
import pytest
import torch

import densevision as dv
from densevision.cli.main import main
from tests.api.conftest import small
from tests.cli.test_demo import DETECTOR, save_model


def test_a_training_returns_what_it_wrote(trained):
    assert trained.checkpoint == trained.work_dir / "best.pth" and trained.checkpoint.is_file()
    assert trained.best_score == trained.metrics["coco/AP50"] and 0 <= trained.best_score <= 1
    assert (trained.work_dir / "curves.csv").is_file()
    assert trained.report == trained.work_dir / "report.html"
    report = json.loads((trained.work_dir / "report.json").read_text())
    assert report["kind"] == "training" and report["metric"]["value"] == trained.best_score
    assert report["iterations"] == dict(all=2, best=2, shown=2) and report["metrics"] == trained.metrics
    assert [one["name"] for one in report["detection"]["classes"]] == ["cat", "dog"] and report["data"]
    assert "This model is worthless" in (trained.work_dir / "report.html").read_text()


def test_a_training_leaves_the_process_as_it_was(data, tmp_path):
    def settings():
        threads = cv2.getNumThreads(), torch.get_num_threads(), torch.multiprocessing.get_start_method()
        states = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
        denormal = float(torch.tensor([1e-40]) * 1)
        return threads, states, denormal, dict(os.environ), torch.backends.cudnn.benchmark

    torch.multiprocessing.get_start_method()
    before = settings()
    dv.train("ssdlite_v3_small_reduced_bccd", work_dir=tmp_path, overrides=small(data))
    assert settings() == before


def test_a_checkpoint_needs_no_config(trained, data, tmp_path, capsys):
    checkpoint = str(trained.checkpoint)
    evaluation = dv.evaluate(checkpoint, work_dir=tmp_path / "api")
    assert evaluation.metrics["coco/AP"] == trained.metrics["coco/AP"]
    assert str(tmp_path / "api" / "ap.txt") in evaluation.files.values() and evaluation.work_dir == tmp_path / "api"
    assert main(["test", checkpoint, "--work-dir", str(tmp_path / "cli"), "--json", str(tmp_path / "m.json")]) == 0
    out = capsys.readouterr().out
    assert evaluation.table in out and "no report was written" not in out
    report = json.loads((tmp_path / "api" / "report.json").read_text())
    assert report["kind"] == "test" and report["metrics"] == evaluation.metrics
    assert evaluation.files["report"] == str(tmp_path / "api" / "report.html")
    written = json.loads((tmp_path / "m.json").read_text())
    assert written.pop("files").keys() == evaluation.files.keys() and written == evaluation.metrics
    found = tmp_path / "found.json"
    assert main(["demo", checkpoint, "--input", str(data / "images"), "--json", str(found)]) == 0
    assert json.loads(found.read_text())["classes"] == ["cat", "dog"]
    model = dv.load(checkpoint)
    assert (model.task, model.classes, model.input_size) == ("detection", ("cat", "dog"), (64, 64))


def test_data_that_is_gone_is_one_line(trained, tmp_path):
    with pytest.raises(dv.UserError, match="data set folder /nowhere does not exist") as raised:
        dv.evaluate(
            trained.checkpoint, work_dir=tmp_path / "w", overrides={"val_dataloader.dataset.data_root": "/nowhere"}
        )
    assert "\n" not in str(raised.value) and not (tmp_path / "w").exists()


def test_a_given_config_takes_precedence(trained, data):
    config = dv.load_config("ssdlite_v3_small_reduced_bccd", ["model.input_size=(96, 96)", "model.backbone.width=0.25"])
    assert dv.load(trained.checkpoint, config).input_size == (96, 96)
    with pytest.raises(dv.UserError, match="belongs to another model"):
        dv.load(trained.checkpoint, "ssdlite_v3_small_reduced_bccd")


def test_a_checkpoint_without_a_config_asks_for_one(tmp_path, capsys):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    with pytest.raises(dv.UserError, match="model.pth does not contain its config; give the config of its training"):
        dv.load(checkpoint)
    assert main(["test", checkpoint]) == main(["export", checkpoint, "--out", str(tmp_path / "m.tflite")]) == 2
    assert capsys.readouterr().err.count("does not contain its config") == 2
    assert dv.load(checkpoint, config).classes == ("car", "bus")


def test_a_folder_is_used_again(trained, tmp_path):
    first = dv.evaluate(trained.checkpoint, work_dir=tmp_path)
    again = dv.evaluate(trained.checkpoint, work_dir=tmp_path)
    assert again.metrics == first.metrics and again.files == first.files
    assert not list(tmp_path.glob("before_*"))  # nothing was another's
