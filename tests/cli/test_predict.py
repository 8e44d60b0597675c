"""``densevision predict``: images in, a summary, JSON, CSV and drawn images out."""

import csv
import json

import numpy as np
import pytest

from densevision.cli.main import main
from densevision.cli.predict import find_images
from densevision.errors import UserError
from densevision.images import read_image, write_image
from tests.cli.test_demo import DETECTOR, SEGMENTOR, save_model


@pytest.fixture
def images(tmp_path):
    """Two images and a damaged one."""
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
        write_image(tmp_path / "in" / f"{number}.png", pixels)
    (tmp_path / "in" / "2.jpg").write_bytes(b"damaged")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def predict(tmp_path, text, *words) -> int:
    config, checkpoint = save_model(tmp_path, text)
    return main(["predict", checkpoint, *map(str, words), "--config", config])


def test_without_an_output_each_image_has_a_line(tmp_path, images, capsys):
    assert predict(tmp_path, DETECTOR, images, "--score-threshold", 0.02) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(images / "0.png"), str(images / "1.png"), "skipped"]
    assert lines[0].endswith((" car", " bus")) and "2.jpg: not a readable image" in lines[2]


def test_detections_as_json_csv_and_images(tmp_path, images, capsys):
    out = tmp_path / "new"
    outputs = ["--json", out / "o.json", "--csv", out / "o.csv", "--save-images", out / "drawn"]
    assert predict(tmp_path, DETECTOR, images, *outputs[:4]) == 0  # the same command may run again
    assert predict(tmp_path, DETECTOR, images, *outputs, "--score-threshold", 0.02) == 0
    assert f"wrote {out / 'o.json'} and {out / 'o.csv'} and {out / 'drawn'}: 2 images" in capsys.readouterr().out
    content = json.loads((out / "o.json").read_text())
    assert (content["task"], content["classes"]) == ("detection", ["car", "bus"])
    assert [(image["file"], image["size"]) for image in content["results"]] == [
        (str(images / f"{number}.png"), [60, 80]) for number in range(2)
    ]
    rows = list(csv.DictReader((out / "o.csv").open()))
    found = [(image["file"], one) for image in content["results"] for one in image["detections"]]
    assert len(rows) == len(found) > 0
    for row, (file, one) in zip(rows, found, strict=True):
        box = [float(row[side]) for side in ("x_min", "y_min", "x_max", "y_max")]
        assert (row["file"], row["class"], float(row["score"]), box) == (file, one["class"], one["score"], one["box"])
    assert sorted(path.name for path in (out / "drawn").iterdir()) == ["0.png", "1.png"]
    assert (read_image(out / "drawn" / "0.png") != read_image(images / "0.png")).any()


def test_shares_as_csv(tmp_path, images):
    assert predict(tmp_path, SEGMENTOR, images / "0.png", "--csv", tmp_path / "o.csv") == 0
    rows = list(csv.DictReader((tmp_path / "o.csv").open()))
    assert set(rows[0]) == {"file", "class", "share"}
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-5)


def test_files_folders_and_patterns_name_images(images):
    first, second, damaged = (images / name for name in ("0.png", "1.png", "2.jpg"))
    assert find_images([str(second), str(images)]) == [second, first, damaged]
    assert find_images([str(images / "*.png")]) == [first, second]
    assert find_images([str(images.parent / "**" / "*")]) == [first, second, damaged]
    for word in ("nowhere.jpg", str(images / "*.bmp"), str(images / "*.txt")):
        with pytest.raises(UserError, match="no image there"):
            find_images([word])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in", "--json", "in/0.png"], "--json in/0.png: the command line names this file twice"),
        (["in", "--csv", "in/notes.txt"], "--csv in/notes.txt: this file exists and is not a CSV of results"),
        (["in", "--save-images", "in"], "--save-images in/0.png: the command line names this file twice"),
        (["in", "again/*.png", "--save-images", "out"], "two images are named 0.png"),
        (["in/0.png", "--save-images", "again"], "--save-images again already contains 0.png"),
        (["in/2.jpg", "--json", "o.json"], "none of the images could be read"),
        (["in", "--score-threshold", "1"], "score threshold 1.0: give a number from 0 to under 1"),
        (["nowhere"], "nowhere: no image there"),
    ],
)
def test_faults_of_the_user_are_one_line_and_leave_nothing(tmp_path, images, capsys, monkeypatch, words, message):
    write_image(tmp_path / "again" / "0.png", np.zeros((4, 4, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert predict(tmp_path, DETECTOR, *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "config.py", "in", "model.pth"]
    assert sorted(path.name for path in images.iterdir()) == ["0.png", "1.png", "2.jpg", "notes.txt"]


@pytest.mark.parametrize(
    "outputs",
    [
        ("--json", "same", "--csv", "same"),
        ("--json", "drawn/0.png", "--save-images", "drawn"),
        ("--csv", "drawn", "--save-images", "drawn"),
    ],
)
def test_two_outputs_of_the_same_name_are_refused(tmp_path, images, capsys, outputs):
    words = [tmp_path / "new" / word if number % 2 else word for number, word in enumerate(outputs)]
    assert predict(tmp_path, DETECTOR, images / "0.png", *words) == 2
    assert "the command line names this file twice; give another name" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
