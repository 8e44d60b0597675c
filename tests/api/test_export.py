"""``densevision.export``."""

import numpy as np
import pytest

import densevision as dv


@pytest.mark.slow
def test_an_export_needs_no_config_either(trained, data, tmp_path):
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    report = dv.export(trained.checkpoint, tmp_path / "m.tflite", options=dv.ExportOptions(nms="per-class"))
    assert report.path == tmp_path / "m.tflite" and report.path.stat().st_size == report.size_bytes
    model = dv.load(report.path, score_threshold=0.02)
    assert (model.task, model.classes, model.input_size) == ("detection", ("cat", "dog"), (64, 64))
    assert model(data / "images" / "a.png").boxes.dtype == np.float32
    with pytest.raises(dv.UserError, match="contains all that it needs; leave x.py out"):
        dv.load(report.path, "x.py")
    with pytest.raises(dv.UserError, match="score threshold 0: .*m.tflite itself reports nothing below 0.01"):
        dv.load(report.path, score_threshold=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(quantize="int4"), "quantize is 'int4'; give 'none', 'float16' or 'int8'"),
        (dict(input_type="int8"), "input_type is 'int8'; give 'uint8' or 'float32'"),
        (dict(postprocess="x"), "postprocess is 'x'; give 'nms' or 'none'"),
        (dict(nms=None), "nms is None; give 'across-classes' or 'per-class'"),
        (dict(labels="x"), "labels is 'x'"),
        (dict(upsample=3), "upsample is 3; give 1, 2 or None"),
        (dict(size=64), "size is 64; give .height, width. in pixels"),
        (dict(size=(64,)), "size is .64,.; give .height, width. in pixels"),
        (dict(float_parts="se"), "float_parts is 'se'; give a tuple of names"),
    ],
)
def test_export_options_are_checked(options, message):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    with pytest.raises(dv.UserError, match=message):
        dv.ExportOptions(**options)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        (dict(labels="logits"), {}, "labels has no meaning for a detector; leave it out"),
        (dict(upsample=2), {}, "upsample has no meaning for a detector"),
        (dict(float_parts=("se",)), {}, "float_parts would need quantize='int8'; add that, or leave it out"),
        ({}, dict(calibration=5), "calibration would need quantize='int8'"),
        (dict(quantize="int8"), dict(calibration=0), "calibration is 0; give a number of images, 1 or more"),
        ({}, dict(max_drop=float("nan")), "max_drop is nan; give a number of points from 0 to 100"),
        ({}, dict(max_drop="1"), "max_drop is '1'"),
        ({}, dict(options=None), "options is None; give a densevision.ExportOptions"),
    ],
)
def test_an_export_refuses_what_would_be_without_effect(trained, tmp_path, options, arguments, message):
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    out = tmp_path / "new" / "m.tflite"
    with pytest.raises(dv.UserError, match=message):
        dv.export(trained.checkpoint, out, **{"options": dv.ExportOptions(**options), **arguments})
    assert not out.parent.exists()


def test_an_export_overwrites_no_other_file(trained, tmp_path):
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    (tmp_path / "notes.tflite").write_text("notes")
    (tmp_path / "link.tflite").symlink_to(tmp_path / "notes.tflite")
    (tmp_path / "folder.tflite").mkdir()
    for name, message in (
        ("notes", "this file exists and is not a .tflite file; give another name"),
        ("link", "is a link or not a regular file"),
        ("folder", "can't be written; give a file in an existing folder of yours"),
    ):
        with pytest.raises(dv.UserError, match=message):
            dv.export(trained.checkpoint, tmp_path / f"{name}.tflite")
    assert (tmp_path / "notes.tflite").read_text() == "notes"


# --- images
