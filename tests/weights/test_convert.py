import pickle

import pytest
import torch

from densevision.cli.main import main
from densevision.errors import UserError
from densevision.weights.convert import convert, to_checkpoint
from densevision.weights.source import find_source
from tests.weights.peers import Bomb, classifier, lraspp, ssdlite

SMALL = "timm:mobilenetv3_small_100"


def test_command_writes_a_checkpoint_and_prints_the_settings_for_a_config(timm_file, tmp_path, capsys):
    out = tmp_path / "new" / "weights.pth"
    assert main(["convert", str(timm_file), "--model", SMALL, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"weights of {SMALL} ({timm_file}): 210 of 210 tensors loaded" in printed
    assert "a config for them sets model.backbone.bn_eps=1e-05, model.data_preprocessor={" in printed
    checkpoint = torch.load(out, weights_only=True)
    theirs = torch.load(timm_file, weights_only=True)
    stem = checkpoint["state_dict"]["backbone.stem.0.weight"]
    assert torch.equal(stem, theirs["conv_stem.weight"])
    assert torch.equal(checkpoint["state_dict"]["head.0.weight"], theirs["conv_head.weight"].flatten(1))
    assert checkpoint["meta"] == dict(
        source=SMALL,
        dataset_meta={},
        settings={
            "backbone.padding": "symmetric",
            "backbone.bn_eps": 1e-5,
            "data_preprocessor": dict(
                type="densevision.Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]
            ),
        },
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "timm:mobilenetv3_small_075",
            "this is not timm:mobilenetv3_small_075: 144 tensors do not fit, first "
            "blocks.2.0.conv_pwl.weight (40x96x1x1, but backbone.blocks.3.projection.0.weight is 32x96x1x1), "
            "blocks.2.0.bn3.weight (40, but ",
        ),
        ("torchvision:mobilenet_v2", "first conv_stem.weight (unknown), bn1.weight (unknown), bn1.bias (unknown)"),
        ("timm:mobilenet", "no published network 'timm:mobilenet' is available; there are"),
        (None, "name its network, for example"),
    ],
)
def test_wrong_file_raises_a_one_line_error_and_nothing_is_written(timm_file, tmp_path, capsys, model, message):
    named = ["--model", model] if model else []
    assert main(["convert", str(timm_file), *named, "--out", str(tmp_path / "out.pth")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "message"), [(".", " is a folder; give a file in it"), ("file/w.pth", ": can't be wr")]
)
def test_unwritable_output_raises_a_one_line_error(timm_file, tmp_path, capsys, out, message):
    (tmp_path / "file").touch()
    assert main(["convert", str(timm_file), "--model", SMALL, "--out", str(tmp_path / out)]) == 2
    error = capsys.readouterr().err
    assert f"--out {tmp_path / out}{message}" in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_missing_tensor_raises_an_error_that_names_it(timm_file, tmp_path):
    tensors = torch.load(timm_file, weights_only=True)
    del tensors["blocks.1.0.bn2.bias"], tensors["classifier.bias"]
    torch.save(tensors, tmp_path / "part.pth")
    with pytest.raises(
        UserError,
        match=r"2 tensors do not fit, first nothing for backbone.blocks.1.depthwise.1.bias, "
        r"nothing for head.3.bias$",
    ):
        convert(str(tmp_path / "part.pth"), SMALL)


def test_counters_of_batch_norm_may_be_missing_and_half_precision_becomes_float32(timm_file):
    tensors = torch.load(timm_file, weights_only=True)
    bare = {name: value.half() for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    checkpoint, _ = to_checkpoint(SMALL, find_source(SMALL), bare)
    assert checkpoint["state_dict"]["backbone.stem.1.num_batches_tracked"] == 0
    assert checkpoint["state_dict"]["backbone.stem.0.weight"].dtype == torch.float32


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_wrapped_state_dict_is_read(timm_file, tmp_path, wrapper):
    torch.save({wrapper: torch.load(timm_file, weights_only=True), "epoch": 3}, tmp_path / "wrapped.pth")
    assert len(convert(str(tmp_path / "wrapped.pth"), SMALL)[1].loaded) == 210


def test_safetensors_files_are_read(timm_file, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = torch.load(timm_file, weights_only=True)
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    checkpoint, _ = convert(str(tmp_path / "model.safetensors"), SMALL)
    assert torch.equal(checkpoint["state_dict"]["head.3.bias"], tensors["classifier.bias"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", "is a text file that starts with 'no zip', not a checkpoint"),
        (b"PK\x03\x04 cut", "is damaged .the end is missing"),
        ([1, 2], "contains no tensors by name"),
        ({}, "contains no tensors by name"),
        (dict(a=torch.ones(1), b=2), "contains no tensors by name"),
    ],
)
def test_other_files_raise_an_error_that_names_them(tmp_path, content, message):
    path = tmp_path / "file.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(UserError, match=f"file.pth.* {message}"):
        convert(str(path), SMALL)


def test_detector_has_90_class_names_and_segmentation_model_has_colors():
    detector, _ = to_checkpoint("d", find_source("torchvision:ssdlite320_mobilenet_v3_large"), ssdlite().state_dict())
    classes = detector["meta"]["dataset_meta"]["classes"]
    assert len(classes) == 90 and classes[:2] == ["person", "bicycle"] and classes[11] == "N/A 12"
    assert classes[-1] == "toothbrush"
    segmentor, _ = to_checkpoint("s", find_source("torchvision:lraspp_mobilenet_v3_large"), lraspp().state_dict())
    info = segmentor["meta"]["dataset_meta"]
    assert info["classes"][:2] == ["__background__", "aeroplane"] and len(info["palette"]) == 21
    assert segmentor["meta"]["settings"]["head.bn_eps"] == 1e-5


def test_torchvision_loads_the_named_weights(tmp_path, monkeypatch):
    """Its cache contains the file, so that nothing is downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    tensors = classifier("torchvision:mobilenet_v3_small").state_dict()
    torch.save(tensors, cache / "mobilenet_v3_small-047dcff4.pth")
    checkpoint, report = convert("torchvision:mobilenet_v3_small.IMAGENET1K_V1")
    assert torch.equal(checkpoint["state_dict"]["head.0.weight"], tensors["classifier.0.weight"])
    assert checkpoint["meta"]["source"] == "torchvision:mobilenet_v3_small.IMAGENET1K_V1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:mobilenet_v2.V9", "torchvision has IMAGENET1K_V1, IMAGENET1K_V2"),
        ("absent.pth", "no file absent.pth; published networks are written like timm:"),
        ("timm:nothing", "no published network 'timm:nothing'"),
    ],
)
def test_unknown_names_raise_an_error(name, message):
    with pytest.raises(UserError, match=message):
        convert(name)


def hub_cache(folder, monkeypatch, file, content):
    """Put a file in the cache of huggingface_hub for timm's downloads, and disable the network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = folder / "models--timm--mobilenetv3_small_100.lamb_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / file).write_bytes(content)


@pytest.mark.parametrize("name", [SMALL, f"{SMALL}.lamb_in1k"])
def test_timm_loads_the_named_weights(timm_file, tmp_path, monkeypatch, name):
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = torch.load(timm_file, weights_only=True)
    hub_cache(tmp_path, monkeypatch, "model.safetensors", safetensors.save(tensors))
    checkpoint, report = convert(name)
    assert torch.equal(checkpoint["state_dict"]["head.3.bias"], tensors["classifier.bias"])
    assert report.origin == name


def test_unsafe_file_in_the_cache_of_timm_does_not_run(tmp_path, monkeypatch):
    mark = tmp_path / "it_ran"
    hub_cache(tmp_path / "hub", monkeypatch, "pytorch_model.bin", pickle.dumps(Bomb(mark), protocol=2))
    with pytest.raises(UserError, match="timm can't download mobilenetv3_small_100"):
        convert(SMALL)
    assert not mark.exists()


def test_model_for_a_missing_file_raises_an_error(tmp_path):
    with pytest.raises(UserError, match="no weights file .*absent.pth"):
        convert(str(tmp_path / "absent.pth"), SMALL)
