import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from densevision.checkpoints.config import describe_config
from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.images import read_image, write_image
from densevision.inference.load import build_model
from densevision.video import open_source

DETECTOR = """
from densevision.detection.model import SSDLite
model = dict(
    type=SSDLite, backbone=dict(name="mobilenet_v3_small", width=0.35), num_classes=None, input_size=(96, 96)
)
"""
SEGMENTOR = """
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
model = dict(
    type=Segmentor, backbone=dict(name="mobilenet_v3_small", width=0.35, output_stride=16),
    head=dict(type=LRASPPHead, filters=16), num_classes=None,
)
"""


def save_model(folder, text: str) -> list[str]:
    """Write a config and a checkpoint with random weights; returns the two arguments of the command."""
    (folder / "config.py").write_text(text)
    torch.manual_seed(0)
    model = build_model(load_config(folder / "config.py"), 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))  # a fresh model scores everything the same
    info = dict(classes=["car", "bus"], palette=[[255, 0, 0], [0, 0, 255]])
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=info)), folder / "model.pth")
    return [str(folder / "config.py"), str(folder / "model.pth")]


def write_video(path, frames: int):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15.0, (128, 96))
    rng = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(0, 256, (96, 128, 3), np.uint8))
    writer.release()
    return str(path)


def test_detections_of_a_video(tmp_path, capsys):
    video = write_video(tmp_path / "in.mp4", 5)
    out, found = tmp_path / "out.mp4", tmp_path / "found.json"
    command = ["demo", *save_model(tmp_path, DETECTOR), "--input", video, "--score-threshold", "0.02"]
    assert main([*command, "--out", str(out), "--json", str(found)]) == 0
    made = open_source(str(out))
    assert (made.size, made.rate, len(list(made.frames))) == ((96, 128), 15.0, 5)
    record = json.loads(found.read_text())
    assert (record["size"], record["rate"], record["classes"]) == ([96, 128], 15.0, ["car", "bus"])
    assert [(frame["frame"], frame["time"]) for frame in record["frames"]][:2] == [(0, 0.0), (1, 0.0667)]
    seen = [detection for frame in record["frames"] for detection in frame["detections"]]
    assert seen
    for detection in seen:
        x0, y0, x1, y1 = detection["box"]
        assert detection["class"] in ("car", "bus") and 0.02 < detection["score"] <= 1
        assert 0 <= x0 <= x1 <= 128 and 0 <= y0 <= y1 <= 96
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("5 frames in ") and "reading" in last and "writing" in last


def test_shares_and_blended_colors_of_an_image(tmp_path):
    write_image(tmp_path / "in.png", np.full((60, 80, 3), 128, np.uint8))
    command = ["demo", *save_model(tmp_path, SEGMENTOR), "--input", str(tmp_path / "in.png")]
    found = tmp_path / "found.json"
    assert main([*command, "--out", str(tmp_path / "out.png"), "--json", str(found)]) == 0
    (frame,) = json.loads(found.read_text())["frames"]
    assert frame["file"] == "in.png" and sum(frame["shares"].values()) == pytest.approx(1, abs=1e-5)
    drawn = read_image(tmp_path / "out.png")
    assert drawn.shape[0] == 60 and drawn.shape[1] > 100  # the legend stands at the right
    # half grey, half red or blue
    assert {tuple(color) for color in drawn[:, :80].reshape(-1, 3).tolist()} <= {(192, 64, 64), (64, 64, 192)}


def test_folder_to_folder_skips_damaged_images(tmp_path, capsys):
    for name in ("a.jpg", "c.jpg"):
        write_image(tmp_path / "in" / name, np.full((60, 80, 3), 128, np.uint8))
    (tmp_path / "in/b.jpg").write_bytes(b"damaged")
    command = ["demo", *save_model(tmp_path, DETECTOR), "--input", str(tmp_path / "in")]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "c.jpg"]
    assert "b.jpg" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["--input", "absent.mp4", "--out", "out.mp4"], "absent.mp4: no such file"),
        (["--input", "in.mp4", "--out", "out.wmv"], "can't write .wmv"),
        (["--input", "in.mp4", "--json", "new/found.json", "--out", "out.png"], "a video needs a video (.mp4)"),
        (["--input", "in.mp4"], "give --out, --json or --show"),
        (["--input", "in.mp4", "--out", "o.mp4", "--score-threshold", "2"], "score threshold 2.0"),
        (["--input", "in.mp4", "--out", "o.mp4", "--score-threshold", "-0.1"], "score threshold -0.1"),
        (["--input", "in.mp4", "--out", "o.mp4", "--score-threshold", "nan"], "score threshold nan"),
        (["--input", "in.mp4", "--out", "o.mp4", "--score-threshold", "1"], "give a number from 0 to under 1"),
        (["--input", "in.mp4", "--json", "in.mp4/found.json"], "--json in.mp4/found.json: can't be written"),
        (["--input", "in.mp4", "--show"], "there is no display"),
    ],
)
def test_faults_of_the_user_are_one_line(tmp_path, capsys, monkeypatch, words, message):
    model = save_model(tmp_path, DETECTOR)
    write_video(tmp_path / "in.mp4", 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    before = sorted(tmp_path.iterdir())
    assert main(["demo", *model, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("densevision: error: ") and message in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_fault_in_the_middle_leaves_no_output(tmp_path, monkeypatch):
    def fail(*parts):
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr("densevision.video.views.draw_boxes", fail)
    command = ["demo", *save_model(tmp_path, DETECTOR), "--input", write_video(tmp_path / "in.mp4", 3)]
    with pytest.raises(RuntimeError, match="a fault of the program"):
        main([*command, "--out", str(tmp_path / "made/out.mp4")])
    assert list((tmp_path / "made").iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_leaves_a_playable_video(tmp_path):
    video, out = write_video(tmp_path / "in.mp4", 3000), tmp_path / "made/out.mp4"
    command = [sys.executable, "-m", "densevision.cli.main", "demo", *save_model(tmp_path, DETECTOR)]
    process = subprocess.Popen(
        [*command, "--input", video, "--out", str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    unfinished = out.with_name(".out.part.mp4")
    deadline = time.monotonic() + 60
    while not (unfinished.exists() and unfinished.stat().st_size > 100_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130 and "stopped by Ctrl-C" in said
    assert 0 < len(list(open_source(str(out)).frames)) < 3000


@pytest.mark.parametrize(
    "words, message",
    [
        (["--score-threshold", "0.3"], "score threshold has no meaning for a segmentation model"),  # also the default
        (["--nms", "across-classes"], "nms has no meaning for a segmentation model"),
    ],
)
def test_options_of_a_detector_are_refused_for_segmentation(tmp_path, capsys, words, message):
    write_image(tmp_path / "in.png", np.full((60, 80, 3), 128, np.uint8))
    command = ["demo", *save_model(tmp_path, SEGMENTOR), "--input", str(tmp_path / "in.png"), "--json"]
    assert main([*command, str(tmp_path / "j"), *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "j").exists()


def test_an_input_without_a_box_ends_with_the_best_score(tmp_path, capsys):
    command = ["demo", *save_model(tmp_path, DETECTOR), "--input", write_video(tmp_path / "in.mp4", 3)]
    assert main([*command, "--out", str(tmp_path / "o.mp4"), "--score-threshold", "0.99"]) == 0
    said, last = capsys.readouterr().out.splitlines()[-2:]
    assert said.startswith("3 frames in ")
    start = "no detection above 0.99 in 3 frames; the best score was 0."
    assert last.startswith(start)
    best = float(last.removeprefix("no detection above 0.99 in 3 frames; the best score was "))
    assert main([*command, "--json", str(tmp_path / "j"), "--score-threshold", str(0.9 * best)]) == 0
    assert "no detection" not in capsys.readouterr().out
    assert any(frame["detections"] for frame in json.loads((tmp_path / "j").read_text())["frames"])


def test_scores_that_are_not_numbers_are_named(tmp_path, capsys):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["backbone.stem.0.weight"].fill_(1e38)  # finite, and too large for what follows
    torch.save(content, checkpoint)
    write_image(tmp_path / "in.png", np.full((60, 80, 3), 128, np.uint8))
    assert main(["demo", config, checkpoint, "--input", str(tmp_path / "in.png"), "--json", str(tmp_path / "j")]) == 0
    assert "in 1 frame; the scores are NaN" in capsys.readouterr().out


def test_chosen_classes_of_a_detector(tmp_path, capsys):
    command = ["demo", *save_model(tmp_path, DETECTOR), "--input", write_video(tmp_path / "in.mp4", 2)]
    command += ["--score-threshold", "0.02", "--json", str(tmp_path / "j")]
    found = {}
    for name in ("", "bus", "car", "bus, car"):
        assert main([*command, *(["--classes", name] if name else [])]) == 0
        frames = json.loads((tmp_path / "j").read_text())["frames"]
        found[name] = [(row["class"], row["score"]) for frame in frames for row in frame["detections"]]
    assert found["bus, car"] == found[""] and len(found["bus"]) + len(found["car"]) == len(found[""])
    for name in ("bus", "car"):
        assert found[name] == [row for row in found[""] if row[0] == name]
    capsys.readouterr()
    assert main([*command, "--classes", "bus,cat"]) == 2
    assert "--classes: the model has no class 'cat'; did you mean car?" in capsys.readouterr().err


def test_chosen_classes_of_a_segmentation_model(tmp_path):
    write_image(tmp_path / "in.png", np.full((60, 80, 3), 128, np.uint8))
    command = ["demo", *save_model(tmp_path, SEGMENTOR), "--input", str(tmp_path / "in.png")]
    assert main([*command, "--json", str(tmp_path / "all")]) == 0
    assert main([*command, "--json", str(tmp_path / "j"), "--out", str(tmp_path / "o.png"), "--classes", "bus"]) == 0
    every, chosen = (json.loads((tmp_path / name).read_text())["frames"][0]["shares"] for name in ("all", "j"))
    assert chosen == {name: share for name, share in every.items() if name == "bus"}
    colors = {tuple(color) for color in read_image(tmp_path / "o.png")[:, :80].reshape(-1, 3).tolist()}
    assert colors <= {(128, 128, 128), (64, 64, 192)}  # what is no bus stays as it is


def test_two_models_side_by_side(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    (tmp_path / "other").mkdir()
    _, other = save_model(tmp_path / "other", DETECTOR)
    content = torch.load(other, weights_only=True)
    stored = describe_config(load_config(config))
    torch.save(content | dict(meta=content["meta"] | stored), other)
    command = ["demo", config, checkpoint, "--input", write_video(tmp_path / "in.mp4", 2), "--score-threshold", "0.02"]
    words = ["--against", other, "--out", str(tmp_path / "o.mp4"), "--json", str(tmp_path / "j")]
    assert main([*command, *words]) == 0
    made = open_source(str(tmp_path / "o.mp4"))
    assert made.size[0] > 96 and made.size[1] == 2 * 128 + 2 and len(list(made.frames)) == 2
    for frame in json.loads((tmp_path / "j").read_text())["frames"]:
        assert frame["against"]["detections"] == frame["detections"]  # the same weights


def test_tracking_without_its_package_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    command = ["demo", *save_model(tmp_path, DETECTOR), "--input", write_video(tmp_path / "in.mp4", 2)]
    assert main([*command, "--json", str(tmp_path / "j"), "--track"]) == 2
    error = capsys.readouterr().err
    assert "pip install 'densevision[supervision]'" in error and error.count("\n") == 1
    command = ["demo", *save_model(tmp_path, SEGMENTOR), "--input", str(tmp_path / "in.mp4")]
    assert main([*command, "--json", str(tmp_path / "j"), "--track"]) == 2
    assert "--track has no meaning for a segmentation model" in capsys.readouterr().err
