"""Compare with TensorFlow and Keras: features, checkpoints and the LR-ASPP head."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from densevision.backbones import build_backbone
from densevision.classification.model import ImageClassifier
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.training.rmsprop import RMSpropTF
from densevision.weights.convert import convert
from densevision.weights.tensorflow import backbone_scopes, read_variables, rename_variable
from tests.weights.bundle import release_variables

pytestmark = [pytest.mark.reference, pytest.mark.slow]

VARIABLE = "DENSEVISION_TENSORFLOW_PYTHON"
PEER = Path(__file__).with_name("tensorflow_peer.py")
RELEASES = {
    "ssd_mobilenet_v3_large_coco": 406,
    "ssd_mobilenet_v3_small_coco": 350,
    "deeplab_mnv3_large_cityscapes_trainfine": 273,
    "deeplab_mnv3_small_cityscapes_trainfine": 217,
}


def interpreter():
    if not os.environ.get(VARIABLE) and importlib.util.find_spec("tensorflow") is None:
        pytest.skip(f"pip install tensorflow, here or in another environment whose python {VARIABLE} then names")
    return os.environ.get(VARIABLE) or sys.executable


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """Return the folder with the outputs of TensorFlow."""
    python, folder = interpreter(), tmp_path_factory.mktemp("tensorflow")
    for name in RELEASES:
        renamed = {variable.replace("/", "|"): value for variable, value in release_variables(name).items()}
        np.savez(folder / f"release_{name}.npz", **renamed)
    rng = np.random.default_rng(0)
    head = {name: value for name, value in renamed.items() if "MobilenetV3" not in name}
    head["aspp0|BatchNorm|moving_variance"] *= 1e-3  # where the epsilon matters
    c3, c5 = rng.normal(size=(1, 129, 133, 88)), rng.normal(size=(1, 33, 34, 288))
    np.savez(folder / "head.npz", **head, c3=c3.astype(np.float32), c5=c5.astype(np.float32))
    done = subprocess.run([python, PEER, folder], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("size", ["96x64", "97x63", "65x128"])
@pytest.mark.parametrize("minimalistic", ["", "_minimalistic"])
@pytest.mark.parametrize("network", ["large", "small"])
def test_keras_has_the_same_features(peer, network, minimalistic, size):
    name = f"mobilenet_v3_{network}{minimalistic}"
    tensors = {
        rename_variable(variable, backbone_scopes(network)).removeprefix("backbone."): tensor
        for variable, tensor in read_variables(peer / f"{name}.ckpt").items()
    }
    backbone = build_backbone(name, padding="same").eval()
    missing, unexpected = backbone.load_state_dict(tensors, strict=False)
    assert not unexpected and all(counter.endswith("num_batches_tracked") for counter in missing)
    result = np.load(peer / f"{name}_{size}.npz")
    with torch.no_grad():
        ours = backbone(torch.from_numpy(result["image"]).permute(0, 3, 1, 2))
    for tap in ("c3", "c4", "c5"):
        theirs = result[tap].transpose(0, 3, 1, 2)
        assert ours[tap].shape == theirs.shape and np.abs(theirs).mean() > 0.01
        difference = np.abs(ours[tap].numpy() - theirs).max()
        print(name, size, tap, difference)
        assert difference < 1e-4


@pytest.mark.parametrize("network", ["large", "small"])
def test_keras_has_the_same_logits(peer, network):
    tensors = {
        rename_variable(variable, backbone_scopes(network)): tensor
        for variable, tensor in read_variables(peer / f"logits_{network}.ckpt").items()
    }
    result = np.load(peer / f"logits_{network}.npz")
    for layer, ours in (("conv_2", "head.0"), ("logits", "head.3")):
        tensors[f"{ours}.weight"] = torch.from_numpy(result[f"{layer}_kernel"][0, 0].T.copy())
        tensors[f"{ours}.bias"] = torch.from_numpy(result[f"{layer}_bias"])
    model = ImageClassifier(dict(name=f"mobilenet_v3_{network}", padding="same"), 1000).eval()
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(counter.endswith("num_batches_tracked") for counter in missing)
    with torch.no_grad():
        ours = model(torch.from_numpy(result["image"]).permute(0, 3, 1, 2)).numpy()
    assert np.abs(result["logits"]).mean() > 0.01
    difference = np.abs(ours - result["logits"]).max()
    print(network, difference, np.abs(result["logits"]).max())
    assert difference < 1e-4


def test_tensorflows_rmsprop_takes_the_same_steps(peer):
    result = np.load(peer / "rmsprop.npz")
    weights = torch.nn.Parameter(torch.linspace(-1, 1, 7))
    optimizer = RMSpropTF([weights], lr=0.1, decay=0.9, momentum=0.9, eps=1e-3)
    for gradient, wanted in zip(result["gradients"], result["weights"], strict=True):
        weights.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        difference = np.abs(weights.detach().numpy() - wanted).max()
        assert difference < 1e-6, difference


@pytest.mark.parametrize(("name", "tensors"), RELEASES.items())
def test_checkpoint_written_by_tensorflow_loads_completely(peer, name, tensors):
    prefix = peer / f"release_{name}.ckpt"
    checkpoint, report = convert(str(prefix), f"tensorflow:{name}")
    assert len(report.loaded) == tensors and report.unused == ["global_step"]
    read = read_variables(prefix)
    for variable, value in release_variables(name).items():
        tensor = read[variable]
        if value.ndim == 4:
            order = (0, 1, 2, 3) if "depthwise_weights" in variable else (0, 1, 3, 2)
            value = value.transpose(order)  # [height, width, out, in], or [height, width, channels, 1]
            tensor = tensor.permute(2, 3, 0, 1)
        if "BoxEncodingPredictor/" in variable:
            axis = 2 if value.ndim == 4 else 0
            value = value.take([4 * (i // 4) + (1, 0, 3, 2)[i % 4] for i in range(value.shape[axis])], axis)
        assert np.array_equal(tensor.numpy(), value), variable
    assert checkpoint["meta"]["settings"]["backbone.padding"] == "same"


class GivenFeatures(nn.Module):
    """A backbone that returns given features and checks the image size."""

    def __init__(self, backbone, features):
        super().__init__()
        self.taps, self.features = backbone.taps, features

    def forward(self, images):
        assert images.shape[-2:] == (1025, 1057)
        return self.features


def test_head_and_resizing_equal_deeplab(peer):
    name = "deeplab_mnv3_small_cityscapes_trainfine"
    model = Segmentor(
        dict(name="mobilenet_v3_small", reduced_tail="segmentation", padding="same"),
        dict(type=LRASPPHead, bn_eps=1e-5, align_corners=True),
        num_classes=19,
    ).eval()
    model.load_state_dict(convert(str(peer / f"release_{name}.ckpt"), f"tensorflow:{name}")[0]["state_dict"])
    given = np.load(peer / "head.npz")
    model.head.project[1].running_var.copy_(torch.from_numpy(given["aspp0|BatchNorm|moving_variance"]))
    features = {tap: torch.from_numpy(given[tap]).permute(0, 3, 1, 2) for tap in ("c3", "c5")}
    model.backbone = GivenFeatures(model.backbone, features)
    with torch.no_grad():
        ours = model(torch.zeros(1, 3, 1024, 1056)).permute(0, 2, 3, 1).numpy()
    theirs = np.load(peer / "head_result.npz")["logits"][:, :1024, :1056]
    print("head", np.abs(ours - theirs).max())
    assert np.abs(theirs).mean() > 0.1 and np.abs(ours - theirs).max() < 1e-4
