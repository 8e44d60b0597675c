"""Every shipped config's model with random weights that behave like trained ones, and images to run it on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from densevision.config.load import load_config
from densevision.detection.loss import SoftmaxLoss
from densevision.detection.model import SSDLite
from densevision.images import read_image, resize_image
from densevision.inference.load import build_model
from densevision.segmentation.comparison import ESPNetDecoder
from densevision.segmentation.model import Segmentor

ROOT = Path(__file__).parents[2]
DETECTORS = sorted((ROOT / "configs/detection").glob("*.py"))
SEGMENTORS = sorted((ROOT / "configs/segmentation").glob("*.py"))
CORNERS_ALIGNED = [path for path in SEGMENTORS if path.stem.endswith("deeplab_release")]


def real_images(size: tuple[int, int], folder: str, count: int = 4) -> list[np.ndarray]:
    """Photos of a data set below DENSEVISION_DATA, [H, W, 3] uint8; parts of an image in docs/ where it is not set."""
    paths = []
    if "DENSEVISION_DATA" in os.environ:
        paths = sorted(Path(os.environ["DENSEVISION_DATA"], folder).rglob("*.jpg"))[::7][:count]
    images = [read_image(path) for path in paths]
    if not images:
        whole = read_image(ROOT / "docs/demo.jpg")
        parts = [whole[:, start : start + 400] for start in (0, 400, 800, 1200)]
        images = [*parts, *(255 - np.roll(part, 1, 2)[::-1] for part in parts)][:count]
    return [resize_image(image, size) for image in images]


def shipped_model(path: Path, images: list[np.ndarray], overrides: tuple[str, ...] = ()) -> SSDLite | Segmentor:
    """Build a config's model; its batch norms know the images, and its classes take turns on them."""
    torch.manual_seed(0)
    model = build_model(load_config(path, overrides), 19)
    batch = model.data_preprocessor(dict(inputs=[torch.from_numpy(image.transpose(2, 0, 1)) for image in images]))
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.momentum = 1.0
    with torch.no_grad():
        model.train()(batch["inputs"])
        model.eval()
        for layer in norms:  # of few values, as of a map of one cell, it may be near 0 and enlarge rounding
            layer.running_var.clamp_(min=0.3 * float(layer.running_var.mean()))
        if isinstance(model, SSDLite):
            _spread_scores(model, batch["inputs"])
        else:
            _center_logits(model, batch["inputs"])
    return model


def _center_logits(model: Segmentor, inputs: torch.Tensor) -> None:
    mean = model(inputs).mean((0, 2, 3))
    if isinstance(model.head, ESPNetDecoder):  # ends in a transposed convolution without bias
        model.head.up1.bias = nn.Parameter(-mean)
    else:
        model.head.class_layers[-1].bias -= mean


def _spread_scores(model: SSDLite, inputs: torch.Tensor) -> None:
    """Class logits with a spread of 0.5 about -2.5, of 2 about 0 for soft-max; deltas with one of 0.3 (first map).

    Random networks enlarge rounding; logits with a wider spread would differ by 1e-4 between two ways of adding.
    """
    mean, spread = (0.0, 2.0) if isinstance(model.loss_cls, SoftmaxLoss) else (-2.5, 0.5)
    features = model.backbone(inputs)
    maps = [features["c4"], features["c5"], *model.extra(features["c5"])]
    for layers, center, width in ((model.head.classify, mean, spread), (model.head.regress, 0.0, 0.3)):
        factor = width / float((layers[0](maps[0]) - layers[0](maps[0]).mean((0, 2, 3), keepdim=True)).std())
        for layer, x in zip(layers, maps, strict=True):
            layer[-1].weight *= min(5.0, factor)
            layer[-1].bias.zero_()
            layer[-1].bias += center - layer(x).mean((0, 2, 3))
