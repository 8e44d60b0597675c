"""Names, axis orders and settings of the authors' TensorFlow 1 releases.

Detection: the Object Detection API's ssd_mobilenet_v3_{large,small}_coco_2020_01_14. Segmentation: DeepLab's
deeplab_mnv3_{large,small}_cityscapes_trainfine. A table maps their scopes to our convolutions; the batch norm of a
convolution whose name ends in 0 has the same name with 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from densevision.detection.head import EXTRA_DEPTHS
from densevision.detection.model import SSDLite
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.weights.source import Source, Tensors, label_meta
from densevision.weights.tensorflow_checkpoint import read_tensorflow_checkpoint
from densevision.weights.torchvision import coco_classes

_BLOCK = {
    "expand": "expansion.0",
    "depthwise": "depthwise.0",
    "squeeze_excite/Conv": "se.reduce",
    "squeeze_excite/Conv_1": "se.expand",
    "project": "projection.0",
}
_VARIABLES = {"weights": "weight", "depthwise_weights": "weight", "biases": "bias"}
_NORMS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}

_AVERAGE = "/ExponentialMovingAverage"
_TRAINING_STATE = re.compile(rf"global_step|.*(/Momentum|/RMSProp(_1)?|/Adam(_1)?|{_AVERAGE})")
_BLOCKS = dict(large=15, small=11)
_C5 = dict(large="layer_17", small="layer_13")


def backbone_scopes(size: str) -> dict[str, str]:
    """Map the scopes of slim's MobileNetV3 to our convolutions; the scope of the first block has no number."""
    table = {"Conv": "stem.0", "Conv_1": "last.0"}
    for index in range(_BLOCKS[size]):
        scope = f"expanded_conv_{index}" if index else "expanded_conv"
        table |= {f"{scope}/{theirs}": f"blocks.{index}.{ours}" for theirs, ours in _BLOCK.items()}
    return {f"MobilenetV3/{theirs}": f"backbone.{ours}" for theirs, ours in table.items()}


def detection_scopes(size: str) -> dict[str, str]:
    """Map the scopes of an SSDLite release; its extra maps are numbered from 2, after C4 and C5."""
    table = backbone_scopes(size)
    for index, depth in enumerate(EXTRA_DEPTHS):
        extra, number = f"MobilenetV3/{_C5[size]}", index + 2
        table |= {
            f"{extra}_1_Conv2d_{number}_1x1_{depth // 2}": f"extra.{index}.0.0",
            f"{extra}_2_Conv2d_{number}_3x3_s2_{depth}_depthwise": f"extra.{index}.1.0",
            f"{extra}_2_Conv2d_{number}_3x3_s2_{depth}": f"extra.{index}.2.0",
        }
    table = {f"FeatureExtractor/{theirs}": ours for theirs, ours in table.items()}
    for index in range(2 + len(EXTRA_DEPTHS)):
        for theirs, ours in (("ClassPredictor", "classify"), ("BoxEncodingPredictor", "regress")):
            table |= {
                f"BoxPredictor_{index}/{theirs}_depthwise": f"head.{ours}.{index}.0.0",
                f"BoxPredictor_{index}/{theirs}": f"head.{ours}.{index}.1",
            }
    return table


def segmentation_scopes(size: str) -> dict[str, str]:
    """Map the scopes of an LR-ASPP release."""
    return backbone_scopes(size) | {
        "aspp0": "head.project.0",
        "image_pooling": "head.gate",
        "decoder/decoder_conv0": "head.high_logits",
        "decoder/feature_projection0": "head.low_logits",
    }


def rename_variable(name: str, scopes: Mapping[str, str]) -> str | None:
    """Return our name of a variable, None for counters and optimizer state, the same name if it is unknown.

    ``rename_variable("aspp0/BatchNorm/gamma", {"aspp0": "head.project.0"})`` is "head.project.1.weight".
    """
    if _TRAINING_STATE.fullmatch(name):
        return None
    scope, _, variable = name.rpartition("/")
    if variable in _VARIABLES and scope in scopes:
        return f"{scopes[scope]}.{_VARIABLES[variable]}"
    convolution = scopes.get(scope.removesuffix("/BatchNorm"), "")
    if variable in _NORMS and scope.endswith("/BatchNorm") and convolution.endswith(".0"):
        return f"{convolution[:-1]}1.{_NORMS[variable]}"
    return name


def read_variables(path: Path) -> Tensors:
    """Read a checkpoint as tensors by TensorFlow's names, in PyTorch's layout and our order of coordinates.

    The moving average of a variable replaces it if there is one, as in the evaluation of the releases.

    Raises:
        UserError: the checkpoint is missing, damaged or of another format.
    """
    variables = read_tensorflow_checkpoint(path)
    return {name: to_pytorch(name, variables.get(name + _AVERAGE, value)) for name, value in variables.items()}


def to_pytorch(name: str, value: np.ndarray) -> Tensor:
    """Reorder the axes of kernels, and the coordinates of box predictors.

    [height, width, in, out] becomes [out, in, height, width]; depthwise, [height, width, channels, 1] becomes
    [channels, 1, height, width]. The outputs of a box predictor, (dy, dx, dh, dw) for each anchor, become
    (dx, dy, dw, dh). The order of the anchors and of the class columns is ours.
    """
    scope, _, variable = name.rpartition("/")
    if value.ndim == 4:
        value = value.transpose((2, 3, 0, 1) if variable == "depthwise_weights" else (3, 2, 0, 1))
    if scope.endswith("/BoxEncodingPredictor") and len(value) % 4 == 0:
        value = value.reshape(-1, 4, *value.shape[1:])[:, [1, 0, 3, 2]].reshape(value.shape)
    return torch.from_numpy(np.array(value))  # a copy: contiguous, writable


def ssdlite(size: str) -> nn.Module:
    """Build our network for a detection release."""
    return SSDLite(backbone=dict(name=f"mobilenet_v3_{size}", reduced_tail="detection", padding="same"), num_classes=90)


def lraspp(size: str) -> nn.Module:
    """Build our network for a segmentation release."""
    return Segmentor(
        backbone=dict(name=f"mobilenet_v3_{size}", output_stride=32, reduced_tail="segmentation", padding="same"),
        head=dict(type=LRASPPHead, filters=128, bn_eps=1e-5, align_corners=True),
        num_classes=19,
    )


def _source(network: Callable[[], nn.Module], scopes: Mapping[str, str], dataset_meta: Callable[[], dict]) -> Source:
    return Source(
        network=network,
        rename=partial(rename_variable, scopes=scopes),
        read=read_variables,
        download=None,
        dataset_meta=dataset_meta,
    )


SOURCES = {
    f"ssd_mobilenet_v3_{size}_coco": _source(partial(ssdlite, size), detection_scopes(size), coco_classes)
    for size in _BLOCKS
} | {
    f"deeplab_mnv3_{size}_cityscapes_trainfine": _source(partial(lraspp, size), segmentation_scopes(size), label_meta)
    for size in _BLOCKS
}
