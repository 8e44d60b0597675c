"""``densevision export`` refuses wrong input in one line and leaves no file."""

import numpy as np
import pytest

from densevision.cli.main import main
from densevision.images import write_image
from tests.cli.test_export_command import export
from tests.export.conftest import converted_once  # noqa: F401
from tests.export.toy import random_images
from tests.export.toy_data import write_detector, write_segmentor


def assert_refused(tmp_path, capsys, files, words, message):
    before = sorted(tmp_path.iterdir())
    assert export(tmp_path, files, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("densevision: error: ") and message in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words, message",
    [
        (["--quantize", "int8", "--calibration", "7"], "--calibration 7: there are 6 training images"),
        (["--quantize", "int8", "--calibration", "0"], "--calibration 0"),
        (["--calibration", "3"], "need --quantize int8"),
        (["--calibration", "0"], "--calibration would need --quantize int8"),
        (["--float-parts", "se"], "need --quantize int8"),
        (["--sensitivity", "--quantize", "float16"], "--sensitivity would need --quantize int8"),
        (["--postprocess", "nms"], "--postprocess has no meaning for a segmentation model"),
        (["--nms", "across-classes"], "--nms has no meaning for a segmentation model"),
        (["--max-drop", "nan"], "--max-drop nan: give a number of points from 0 to 100"),
        (["--max-drop", "-1"], "--max-drop -1"),
        (["--size", "20000", "20000"], "--size 20000 20000: give at least 32 pixels a side and at most 4096"),
        (["--size", "0", "-5"], "--size 0 -5"),
        (["--size", "8", "96"], "--size 8 96: give at least 32 pixels"),
        (["--out", "m.bin"], "the name must end in .tflite"),
    ],
)
def test_faults_of_the_user_are_one_line_and_leave_no_file(tmp_path, capsys, monkeypatch, words, message):
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    monkeypatch.chdir(tmp_path)
    assert_refused(tmp_path, capsys, write_segmentor(tmp_path), words, message)


def test_test_images_of_different_sizes_need_a_size(tmp_path, capsys):
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    files = write_segmentor(tmp_path)
    write_image(tmp_path / "leftImg8bit/train/a/0_leftImg8bit.png", random_images(1, (32, 48))[0])
    write_image(tmp_path / "gtFine/train/a/0_gtFine_labelIds.png", np.zeros((32, 48), np.uint8))
    assert export(tmp_path, files) == 2
    assert "differ in size (32x48, 64x96); give --size HEIGHT WIDTH" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, message",
    [
        (["test", "m.tflite"], "m.tflite: a .tflite does not name its test data; give its config with --config"),
        (["test", "a.py", "b.pth", "c.pth"], "can't tell what a.py b.pth c.pth is"),
        (["demo", "m.tflite", "--input", "x", "--out", "y"], "m.tflite is no .tflite file"),
        (
            ["demo", "c.py", "m.tflite", "--input", "x", "--out", "y"],
            "m.tflite contains all that it needs; leave c.py out",
        ),
        (["demo", "none.tflite", "--input", "x", "--out", "y"], "no model file none.tflite"),
        (["demo", "best.pth", "--input", "x", "--out", "y"], "no weights file best.pth"),
        (["demo", "c.py", "--input", "x", "--out", "y"], "give CHECKPOINT, CONFIG CHECKPOINT, or one MODEL.tflite"),
    ],
)
def test_wrong_files_are_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(b"something else")
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("densevision: error: ") and message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["--labels", "argmax"], "--labels has no meaning for a detector"),  # also where it is the default
        (["--upsample", "1"], "--upsample has no meaning for a detector"),
        (["--full-size"], "--full-size has no meaning for a detector"),
        (["--postprocess", "none", "--nms", "across-classes"], "--nms has no meaning with --postprocess none"),
        (["--calibration", "100"], "--calibration would need --quantize int8"),
        (["--size", "31", "31"], "--size 31 31"),
        (
            ["--size", "64", "64", "--cfg-options", "model.input_size=(96, 96)"],
            "--size and --cfg-options model.input_size both set the input size",
        ),
        (["--cfg-options", "model.coder.weights=[10,10,5,0]"], "in coder.weights is 0; give a number over 0"),
        (["--cfg-options", "model.match_threshold=0"], "model.match_threshold is 0; give a number over 0 to 1"),
        (
            ["--cfg-options", "model.postprocess=dict(nms='all')"],
            "postprocess.nms is 'all'; it must be 'per-class' or 'across-classes'",
        ),
    ],
)
def test_a_detector_faults_are_one_line_and_leave_no_file(tmp_path, capsys, words, message):
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    assert_refused(tmp_path, capsys, write_detector(tmp_path), words, message)
