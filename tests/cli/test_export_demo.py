"""``densevision demo`` with an exported file, and what is said of a model that finds nothing."""

import json

import numpy as np
import pytest

from densevision.cli.main import main
from densevision.images import write_image
from tests.cli.test_export_command import export
from tests.export.conftest import converted_once  # noqa: F401
from tests.export.toy import SIZE
from tests.export.toy_data import write_detector


def demo(tmp_path, *words):
    found = tmp_path / "found.json"
    words = [*map(str, words), "--score-threshold", "0.97"]  # under 100 boxes an image, where the op ends
    assert main(["demo", *words, "--input", str(tmp_path / "images"), "--json", str(found)]) == 0
    return [
        [(d["class"], *d["box"], d["score"]) for d in frame["detections"]]
        for frame in json.loads(found.read_text())["frames"]
    ]


def same(found, wanted):
    return [len(frame) for frame in found] == [len(frame) for frame in wanted] and all(
        one[0] == other[0] and np.allclose(one[1:], other[1:], atol=0.02)
        for frame, wanted_frame in zip(found, wanted, strict=True)
        for one, other in zip(frame, wanted_frame, strict=True)
    )


@pytest.mark.usefixtures("converted_once")
def test_demo_gives_the_same_boxes_before_and_after_the_export(tmp_path, capsys):
    files = write_detector(tmp_path)
    across, per_class = demo(tmp_path, *files), demo(tmp_path, *files, "--nms", "per-class")
    assert sum(map(len, across)) > 50 and max(map(len, per_class)) < 100 and not same(across, per_class)
    assert export(tmp_path, files) == 0
    file = tmp_path / "m.tflite"
    assert same(demo(tmp_path, file), across)
    capsys.readouterr()
    assert (
        main(
            [
                "demo",
                str(file),
                "--input",
                str(tmp_path / "images"),
                "--json",
                str(tmp_path / "j"),
                "--nms",
                "per-class",
            ]
        )
        == 2
    )
    assert "suppresses across classes inside; export it with --nms per-class" in capsys.readouterr().err
    assert export(tmp_path, files, "--nms", "per-class") == 0
    assert same(demo(tmp_path, file), across)  # the default of demo
    assert same(demo(tmp_path, file, "--nms", "per-class"), per_class)


@pytest.mark.usefixtures("converted_once")
def test_a_worthless_model_is_called_so(tmp_path, capsys):
    files = write_detector(tmp_path)
    table = json.loads((tmp_path / "truth.json").read_text())
    for row in table["annotations"]:
        row["bbox"] = [0, 0, 2, 2]  # where nothing is found
    (tmp_path / "truth.json").write_text(json.dumps(table))
    assert export(tmp_path, files, "--max-drop", 1) == 0
    out = capsys.readouterr().out
    assert "warning: this model is worthless: coco/AP is 0.00 of 100" in out


@pytest.mark.usefixtures("converted_once")
def test_demo_of_a_file_that_finds_nothing_says_how_close_it_came(tmp_path, capsys):
    files = write_detector(tmp_path)
    assert export(tmp_path, files) == 0
    write_image(tmp_path / "plain/a.png", np.full((*SIZE, 3), 64, np.uint8))  # scores end at 0.9994
    words = ["--input", str(tmp_path / "plain"), "--json", str(tmp_path / "j")]
    assert main(["demo", str(tmp_path / "m.tflite"), *words, "--score-threshold", "0.9999"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "no detection above 0.9999 in 1 frame; the best score was 0.999"
    files[0].write_text(
        files[0]
        .read_text()
        .replace("input_size=(64, 96)", "input_size=(64, 96), postprocess=dict(score_threshold=0.9999)", 1)
    )
    assert export(tmp_path, files) == 0
    assert main(["demo", str(tmp_path / "m.tflite"), *words]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "no detection above 0.3 in 1 frame; the file itself reports none below its own threshold of 0.9999, and "
        "there was none above"
    )
    assert main(["demo", str(tmp_path / "m.tflite"), *words, "--score-threshold", "0.5"]) == 2
    assert "m.tflite itself reports nothing below 0.9999; give more" in capsys.readouterr().err
