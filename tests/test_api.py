"""What ``import densevision`` offers: from a training to results, each as the command has it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import densevision as dv
from densevision.cli.main import main
from densevision.images import as_image, write_image
from tests.cli.test_demo import DETECTOR, SEGMENTOR, save_model, write_video
from tests.detection.conftest import write_coco
from tests.training.toy_runs import ROOT


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_coco(tmp_path_factory.mktemp("coco"))


def small(data) -> dict[str, object]:
    """Overrides that train a small detector for two iterations."""
    dataset = dict(data_root=str(data), ann_file="truth.json", image_dir="images", classes=None)
    loader = {f"dataset.{key}": value for key, value in dataset.items()} | {"batch_size": 2, "num_workers": 0}
    loaders = {f"{name}_dataloader.{key}": value for name in ("train", "val") for key, value in loader.items()}
    return loaders | {
        "train_dataloader.dataset.transforms": [],
        "model.input_size": (64, 64),
        "model.backbone.width": 0.25,
        "train_cfg.max_iters": 2,
        "train_cfg.val_interval": 2,
        "default_hooks.ema": None,
    }


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return dv.train("ssdlite_v3_small_reduced_bccd", work_dir=tmp_path_factory.mktemp("run"), overrides=small(data))


def test_a_training_returns_what_it_wrote(trained):
    assert trained.checkpoint == trained.work_dir / "best.pth" and trained.checkpoint.is_file()
    assert trained.best_score == trained.metrics["coco/AP50"] and 0 <= trained.best_score <= 1
    assert (trained.work_dir / "curves.csv").is_file()


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
    assert evaluation.table in capsys.readouterr().out
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


def test_a_segmentation_model_needs_a_color_for_each_class(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    content = torch.load(checkpoint, weights_only=True)
    for palette in (None, [], [[1, 2, 3]]):
        content["meta"]["dataset_meta"]["palette"] = palette
        torch.save(content, checkpoint)
        with pytest.raises(dv.UserError, match="does not have a color for each class; use one that densevision train"):
            dv.load(checkpoint, config)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"", "a.pth is damaged: the file is empty"),
        ("a.pth", b"\x1c\0\0\0TFL3", "a.pth is a .tflite file; give it a name that ends in .tflite"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1", "a.pth is a Git LFS pointer; run git lfs pull"),
        ("a.py", b"model = None", "a.py is a Python file, not a checkpoint; give a file that densevision train wrote"),
        ("a.pth", b"PK", "a.pth is damaged .*; copy or write it again"),
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
    assert "missing 1 required positional argument: 'backbone'" in found and found.count("\n") == 1


def test_a_metric_of_ones_own_is_not_needed_to_predict(trained, tmp_path):
    content = torch.load(trained.checkpoint, weights_only=True)
    content["meta"]["stored_config"]["content"]["test_evaluator"] = dict(type="mine.Metric")
    torch.save(content, tmp_path / "own.pth")
    assert dv.load(tmp_path / "own.pth").task == "detection"
    with pytest.raises(dv.UserError, match="'mine.Metric' is not a registered class; import the module"):
        dv.evaluate(tmp_path / "own.pth")


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
        ("folder", "is a link or not a regular file"),
    ):
        with pytest.raises(dv.UserError, match=message):
            dv.export(trained.checkpoint, tmp_path / f"{name}.tflite")
    assert (tmp_path / "notes.tflite").read_text() == "notes"


# --- images


PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "the image is None, which cv2.imread returns for a file that it can't read; give its path"),
        ([[1, 2]], "the image is of type list; give a path, a NumPy array or a PIL image"),
        (torch.zeros(3, 6, 8), "the image is of type Tensor; give a path"),
        (PIXELS / 255, r"the image is float64 6x8x3, not uint8 \[H, W, 3\] RGB; convert it: \(255 \* image\)"),
        (PIXELS.astype(np.float32), "the image is float32 6x8x3"),
        (PIXELS.astype(np.uint16), r"uint16 6x8x3, .*; scale it to 0..255, then image.astype\(np.uint8\)"),
        (PIXELS > 5, "the image is bool 6x8x3"),
        (PIXELS[..., 0], r"uint8 6x8, .*; stack it: np.stack\(\[image\] \* 3, axis=-1\)"),
        (PIXELS[..., [0, 1, 2, 2]], r"uint8 6x8x4, .*; drop the transparency: image\[..., :3\]"),
        (PIXELS[..., :2], "uint8 6x8x2, .*; give 3 channels"),
        (PIXELS.transpose(2, 0, 1), r"uint8 3x6x8, .*; move the channels to the end: image.transpose\(1, 2, 0\)"),
        (PIXELS[None], r"uint8 1x6x8x3, .*; give one image at a time, image\[0\]"),
        (PIXELS[:0], "uint8 0x8x3, .*; it has no pixels"),
        (np.array(3, np.uint8), "the image is uint8 a single value"),
        (Image.new("I;16", (8, 6)), "the PIL image has the mode I;16; scale it to 8 bits, then convert it to RGB"),
        (Image.new("F", (8, 6)), "mode F"),
        ("nowhere.jpg", "nowhere.jpg: No such file"),
        ("https://example.org/a.jpg", "https://example.org/a.jpg: an address, not a file; download it first"),
        ("", "image is ''; give a path"),
        ("a\0.jpg", "image is .*; give a path"),
        (".", ".: a folder, not an image"),
    ],
)
def test_what_is_not_an_image_is_refused_in_one_line(image, message):
    with pytest.raises(dv.UserError, match=message) as raised:
        as_image(image)
    assert "\n" not in str(raised.value)


def test_arrays_paths_and_pil_images_give_the_same_pixels(tmp_path):
    write_image(tmp_path / "a.png", PIXELS)
    pil = Image.open(tmp_path / "a.png")
    for image in (PIXELS, str(tmp_path / "a.png"), tmp_path / "a.png", pil, pil.convert("RGBA")):
        assert (as_image(image) == PIXELS).all()
    assert (as_image(PIXELS[..., ::-1], bgr=True) == PIXELS).all()
    assert as_image(PIXELS[:, ::-1]).flags.c_contiguous
    with pytest.raises(dv.UserError, match="a file is read as RGB, so leave bgr out"):
        as_image(tmp_path / "a.png", bgr=True)


def test_pil_images_are_converted_and_turned():
    gray = Image.fromarray(PIXELS[..., 0])
    assert (as_image(gray) == PIXELS[..., :1]).all()
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert as_image(palette).tolist() == [[[10, 20, 30], [10, 20, 30]]]
    turned = Image.fromarray(PIXELS)
    turned.getexif()[0x0112] = 6  # to be turned by 90 degrees, as read_image does
    assert (as_image(turned) == np.rot90(PIXELS, -1)).all()


def test_pil_images_without_pixels_are_refused(tmp_path):
    write_image(tmp_path / "a.png", np.tile(PIXELS, (20, 20, 1)))
    closed = Image.open(tmp_path / "a.png")
    closed.close()
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:400])
    with Image.open(tmp_path / "cut.png") as cut:
        for image in (closed, cut):
            with pytest.raises(dv.UserError, match="the PIL image can't be read: .*; open a whole file, and keep it"):
                as_image(image)
    with pytest.raises(dv.UserError, match="bgr=True is for arrays; a PIL image"):
        as_image(Image.fromarray(PIXELS), bgr=True)


@pytest.mark.filterwarnings("error")
def test_a_read_only_image_gives_no_warning(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels.flags.writeable = False
    assert dv.load(checkpoint, config)(pixels).image.shape == (32, 32, 3)


def test_a_predictor_refuses_what_is_not_an_image(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    predictor = dv.load(checkpoint, config).predictor
    with pytest.raises(dv.UserError, match="the image is float64"):
        predictor(PIXELS / 255)


# --- models


def test_a_model_takes_images_and_videos(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    model = dv.load(checkpoint, config, score_threshold=0.02, device="cpu")
    assert repr(model) == "Model(detection, 2 classes, input 96x96)"
    results = list(model.video(write_video(tmp_path / "in.mp4", 3)))
    assert [result.image.shape for result in results] == [(96, 128, 3)] * 3
    again = model(results[0].image)
    assert np.array_equal(again.boxes, results[0].boxes) and len(again) > 0
    assert again.boxes.dtype == again.scores.dtype == np.float32 and again.labels.dtype == np.int64
    with pytest.raises(dv.UserError, match="no such file"):
        model.video(tmp_path / "nowhere.mp4")


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


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_are_imported_at_first_use():
    heavy = "{name.split('.')[0] for name in sys.modules} & {'torch', 'mmengine', 'numpy', 'cv2'}"
    assert run_python(f"import sys, densevision; dir(densevision); print({heavy})") == "set()\n"
    assert run_python("import densevision as dv; print(dv.Detections.__module__)") == "densevision.structures\n"
    assert run_python("import densevision.export, densevision as dv; print(callable(dv.export))") == "True\n"
    assert all(callable(getattr(dv, name)) for name in dir(dv) if not name.startswith("__"))
    with pytest.raises(AttributeError, match="module 'densevision' has no attribute 'lode'"):
        dv.lode  # noqa: B018


def test_inference_imports_neither_mmengine_nor_what_trains():
    modules = "densevision.inference, densevision.inference.predictor, densevision.inference.tflite_backend"
    found = "[name for name in sys.modules if name.startswith(('mmengine', 'torch', 'densevision.training'))]"
    assert run_python(f"import sys, {modules}, densevision.api; print({found})") == "[]\n"
