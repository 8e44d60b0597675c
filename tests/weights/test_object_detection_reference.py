"""Compare with the authors' code: SSDLite of the Object Detection API, and DeepLab on slim's MobileNetV3."""

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from densevision.config.load import load_config
from densevision.inference.load import build_model
from densevision.weights.convert import to_checkpoint
from densevision.weights.source import find_source
from densevision.weights.tensorflow import to_pytorch
from tests.weights.bundle import release_variables

pytestmark = [pytest.mark.reference, pytest.mark.slow]

VARIABLE = "DENSEVISION_OBJECT_DETECTION_PYTHON"
CONFIGS = Path(__file__).parents[2] / "configs"
SIZES = ("large", "small")


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """Return images, and the outputs of the authors' code for them with random weights, by release."""
    if not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} must name a python with the Object Detection API, see docs/tensorflow.md")
    folder, images = tmp_path_factory.mktemp("peer"), {}
    for size in SIZES:
        for name, shape in ((f"ssd_mobilenet_v3_{size}_coco", (320, 320)), (deeplab(size), (800, 832))):
            images[name] = image(*shape)
            renamed = {variable.replace("/", "|"): value for variable, value in variables_of(name).items()}
            np.savez(folder / f"{name}.npz", image=images[name].astype(np.float32), **renamed)
    peer = Path(__file__).with_name("object_detection_peer.py")
    done = subprocess.run([os.environ[VARIABLE], peer, folder], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: (image, np.load(folder / f"{name}_result.npz")) for name, image in images.items()}


def deeplab(size):
    return f"deeplab_mnv3_{size}_cityscapes_trainfine"


def image(height, width, seed=0):
    """Return [1, height, width, 3] uint8 of blotches."""
    blotches = np.random.default_rng(seed).integers(0, 256, (1, height // 16, width // 16, 3), np.uint8)
    return blotches.repeat(16, axis=1).repeat(16, axis=2)


@cache
def variables_of(name):
    """Return random values with matching batch-norm statistics, without which deep features hardly vary and boxes tie.

    In double, so that the values are the same however many threads or which kernels compute them.
    """
    variables = release_variables(name)
    del variables["global_step"]
    source = find_source(f"tensorflow:{name}")
    network = source.network().train()
    network.load_state_dict(to_checkpoint(name, source, tensors_of(variables))[0]["state_dict"])
    network.double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.cat([normalized(network, image(320, 320, seed)) for seed in range(1, 9)]).double())
    settled = network.float().state_dict()
    return {
        name: settled[source.rename(name)].numpy() if "/moving_" in name else value for name, value in variables.items()
    }


def tensors_of(variables):
    return {variable: to_pytorch(variable, value) for variable, value in variables.items()}


def normalized(network, image):
    return network.data_preprocessor.normalize(torch.from_numpy(image).permute(0, 3, 1, 2))


def model_of(name, config, num_classes):
    checkpoint, _ = to_checkpoint(name, find_source(f"tensorflow:{name}"), tensors_of(variables_of(name)))
    model = build_model(load_config(CONFIGS / config), num_classes).eval()
    model.load_state_dict(checkpoint["state_dict"])
    return model


@pytest.mark.parametrize("size", SIZES)
def test_detector_has_the_same_outputs_and_detections(peer, size):
    name = f"ssd_mobilenet_v3_{size}_coco"
    image, theirs = peer[name]
    model = model_of(name, f"detection/ssdlite_v3_{size}_reduced_coco_tensorflow_release.py", 90)
    images = normalized(model, image)
    with torch.no_grad():
        (found,) = model.detect(images)
        logits, deltas = model.double().forward_head(
            images.double()
        )  # float32 rounding is 6e-5 in theirs, 5e-5 in ours
    differences = dict(
        logits=np.abs(logits.numpy() - theirs["class_predictions_with_background"]).max(),
        deltas=np.abs(deltas.numpy() - theirs["box_encodings"].reshape(1, -1, 4)[..., [1, 0, 3, 2]]).max(),
        scores=np.abs(found.scores.numpy() - theirs["scores"][0]).max(),
        pixels=np.abs(found.boxes.numpy() - theirs["boxes"][0][:, [1, 0, 3, 2]] * 320).max(),
    )
    print(size, differences)
    assert (found.labels.numpy() == theirs["classes"][0]).all()
    assert differences["logits"] < 1e-4 and differences["deltas"] < 1e-4 and differences["scores"] < 1e-5
    assert differences["pixels"] < 0.05  # the aspect ratio of their anchors is 0.3333


@pytest.mark.parametrize("size", SIZES)
def test_segmentation_model_has_the_same_logits(peer, size):
    image, theirs = peer[deeplab(size)]
    config = f"segmentation/lraspp_v3_{size}_reduced_os32_cityscapes_deeplab_release.py"
    model = model_of(deeplab(size), config, 19)
    with torch.no_grad():
        ours = model(normalized(model, image))
    ours = ours.permute(0, 2, 3, 1).numpy()
    difference = np.abs(ours - theirs["logits"]).max()
    print(size, difference, (ours.argmax(-1) != theirs["logits"].argmax(-1)).mean())
    assert np.abs(theirs["logits"]).mean() > 0.1 and difference < 1e-4
