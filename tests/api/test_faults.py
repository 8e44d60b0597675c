"""Wrong files and arguments are one line; a crafted checkpoint runs nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

import densevision as dv
from densevision.cli.main import main
from tests.cli.test_demo import DETECTOR, SEGMENTOR, save_model


@pytest.mark.parametrize("name", ["os.system", "densevision.cli.main.main"])
def test_a_crafted_checkpoint_runs_nothing(trained, tmp_path, name):
    content = torch.load(trained.checkpoint, weights_only=True)
    stored = content["meta"]["stored_config"]["content"]
    stored["model"]["backbone"]["type"] = name
    stored["custom_hooks"] = [dict(type=name, command=f"touch {tmp_path / 'ran'}")]
    torch.save(content, tmp_path / "crafted.pth")
    for use in (dv.load, dv.evaluate):
        with pytest.raises(dv.UserError, match=rf"crafted.pth: config, .*type: '{name}' is not a registered class"):
            use(tmp_path / "crafted.pth")
    for damaged in (["damaged"], dict(name=3, content={}), dict(name="a.py", content=3)):
        content["meta"]["stored_config"] = damaged
        torch.save(content, tmp_path / "crafted.pth")
        with pytest.raises(dv.UserError, match="crafted.pth: its stored config is damaged"):
            dv.load(tmp_path / "crafted.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("meta",), [1]),
        (("state_dict",), None),
        (("meta", "settings"), 3),
        (("meta", "dataset_meta"), 3),
        (("meta", "dataset_meta", "classes"), 3),
        (("meta", "dataset_meta", "classes"), "ab"),
        (("meta", "dataset_meta", "classes"), [1, 2]),
        (("meta", "dataset_meta", "palette"), 3),
        (("meta", "dataset_meta", "palette"), [[1, 2], [3, 4]]),
        (("meta", "dataset_meta", "palette"), [[1, 2, 300], [0, 0, 0]]),
    ],
)
def test_a_checkpoint_with_other_types_is_damaged(tmp_path, place, value):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    content = torch.load(checkpoint, weights_only=True)
    *parents, last = place
    target = content
    for name in parents:
        target = target[name]
    target[last] = value
    torch.save(content, checkpoint)
    with pytest.raises(dv.UserError, match="model.pth is damaged; give a file that densevision train wrote"):
        dv.load(checkpoint, config)


def test_a_palette_is_shorter_than_the_classes(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    content = torch.load(checkpoint, weights_only=True)
    content["meta"]["dataset_meta"]["palette"] = [[1, 2, 3]]
    torch.save(content, checkpoint)
    with pytest.raises(dv.UserError, match="does not have a color for each class; use one that densevision train"):
        dv.load(checkpoint, config)


def test_a_segmentation_model_without_colors_is_drawn_in_the_toolkits(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    content = torch.load(checkpoint, weights_only=True)
    image = np.zeros((64, 64, 3), np.uint8)
    for palette in (None, []):
        content["meta"]["dataset_meta"]["palette"] = palette
        torch.save(content, checkpoint)
        assert dv.load(checkpoint, config)(image).draw().shape == image.shape


def test_weights_that_are_not_finite_are_named(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["backbone.stem.0.weight"][0, 0, 0, 0] = float("nan")
    torch.save(content, checkpoint)
    with pytest.raises(dv.UserError, match="model.pth: backbone.stem.0.weight is not finite, so the network is broken"):
        dv.load(checkpoint, config)


def test_a_device_that_computes_nothing_is_refused(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    with pytest.raises(dv.UserError, match="device 'meta' computes nothing; give 'cpu' or 'cuda'"):
        dv.load(checkpoint, config, device="meta")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"", "a.pth is damaged: the file is empty"),
        ("a.pth", b"\x1c\0\0\0TFL3", "a.pth is a .tflite file; give it a name that ends in .tflite"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1", "a.pth is a Git LFS pointer; run git lfs pull"),
        ("a.py", b"model = None", "a.py is a Python file, not a checkpoint; give a file that densevision train wrote"),
        ("a.pth", b"PK", "a.pth is damaged .the end is missing, as after a download that stopped.; copy or write it"),
        ("a.pth", b"PK\5\6" + bytes(18), "a.pth is a zip archive with nothing, not a checkpoint; unpack it"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(dv.UserError, match=message):
        dv.load(tmp_path / name)
    with pytest.raises(dv.UserError, match="this is a folder, give a file in it"):
        dv.load(tmp_path)


@pytest.mark.parametrize(
    "call", [dv.load, dv.evaluate, dv.train, dv.load_config, lambda path: dv.export(path, "m.tflite")]
)
def test_what_is_no_path_is_refused(call):
    with pytest.raises(dv.UserError, match="is 3; give a path"):
        call(3)


def test_a_config_that_cant_be_built_prints_no_traceback(tmp_path, capfd):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    Path(config).write_text(DETECTOR.replace('backbone=dict(name="mobilenet_v3_small", width=0.35), ', ""))
    assert main(["predict", checkpoint, checkpoint, "--config", config]) == 2
    found = "".join(capfd.readouterr())
    assert "config, model.backbone is missing: SSDLite needs it" in found and found.count("\n") == 1


def test_a_metric_of_ones_own_is_not_needed_to_predict(trained, tmp_path):
    content = torch.load(trained.checkpoint, weights_only=True)
    content["meta"]["stored_config"]["content"]["test_evaluator"] = dict(type="mine.Metric")
    torch.save(content, tmp_path / "own.pth")
    assert dv.load(tmp_path / "own.pth").task == "detection"
    with pytest.raises(dv.UserError, match="'mine.Metric' is not a registered class; import the module"):
        dv.evaluate(tmp_path / "own.pth")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (DETECTOR, dict(score_threshold=1), "score threshold 1: give a number from 0 to under 1"),
        (DETECTOR, dict(score_threshold=float("nan")), "score threshold nan"),
        (DETECTOR, dict(score_threshold="0.5"), "score threshold '0.5': give a number from 0 to under 1"),
        (DETECTOR, dict(nms=""), "postprocess.nms is ''; give across-classes or per-class"),
        (DETECTOR, dict(nms="none"), "postprocess.nms is 'none'; give across-classes or per-class"),
        (DETECTOR, dict(device="tpu"), "device 'tpu' can't be used"),
        (SEGMENTOR, dict(score_threshold=0.3), "score threshold has no meaning for a segmentation model"),
        (SEGMENTOR, dict(nms="per-class"), "nms has no meaning for a segmentation model"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path, text, options, message):
    config, checkpoint = save_model(tmp_path, text)
    with pytest.raises(dv.UserError, match=message):
        dv.load(checkpoint, config, **options)


# --- the package
