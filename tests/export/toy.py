"""The smallest model of each task with every kind of layer, and a real conversion of each, made once."""

import hashlib

import numpy as np
import torch

from densevision.backbones import BACKBONES, BackboneSpec, Block, register_backbone
from densevision.classification.model import ImageClassifier
from densevision.detection.model import SSDLite
from densevision.export import convert as export
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

BLOCKS = (
    Block(3, 16, 8, False, "relu", 2),
    Block(3, 24, 16, True, "relu", 2),
    Block(3, 32, 16, True, "hswish", 2),
    Block(3, 48, 16, False, "hswish", 1),
)
if "toy" not in BACKBONES:
    register_backbone("toy", BackboneSpec(8, "hswish", BLOCKS, last=32, c3=1, c4=3, source="these tests"))
SIZE = (64, 96)
DETECTOR = """
from densevision.detection.model import SSDLite
model = dict(type=SSDLite, backbone=dict(name="toy"), num_classes=None, input_size=(64, 96))
"""
SEGMENTOR = """
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
model = dict(
    type=Segmentor, backbone=dict(name="toy", output_stride=16), head=dict(type=LRASPPHead, filters=16),
    num_classes=None,
)
"""


def classifier(classes: int = 7, **settings) -> ImageClassifier:
    """A classifier that sees several classes in ``random_images``."""
    torch.manual_seed(0)
    model = ImageClassifier(dict(name="toy"), classes, SIZE, **settings)
    _settle(model, model)
    with torch.no_grad():
        model.head[-1].weight.normal_(0, 1)
    return model.eval()


def detector(classes: int = 2, **settings) -> SSDLite:
    """A detector that finds something in ``random_images``."""
    torch.manual_seed(0)
    model = SSDLite(dict(name="toy"), classes, SIZE, **settings)
    _settle(model, model.forward_head)
    with torch.no_grad():
        for layer in model.head.classify:
            layer[-1].weight.normal_(0, 0.6)
            layer[-1].bias.fill_(-1.5)
    return model.eval()


def segmentor(classes: int = 3) -> Segmentor:
    """A segmentation model that sees every class in ``random_images``."""
    torch.manual_seed(0)
    model = Segmentor(dict(name="toy", output_stride=16), dict(type=LRASPPHead, filters=16), classes)
    _settle(model, model)
    with torch.no_grad():
        model.head.low_logits.weight.normal_(0, 1)
    return model.eval()


def _settle(model, forward) -> None:
    """Give the batch norms the statistics of ``random_images``; with those of a fresh model all outputs are alike."""
    batch = torch.stack([torch.from_numpy(image) for image in random_images(6)]).permute(0, 3, 1, 2)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        forward(model.data_preprocessor.normalize(batch))


def random_images(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Smooth random images [H, W, 3] uint8."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[: size[0], : size[1]] / 20.0
    made = []
    for _ in range(count):
        waves = [np.sin(a * rows + b * columns + c) for a, b, c in random.uniform(0, 3, (3, 3))]
        made.append((np.stack(waves, -1) * 127 + 128).astype(np.uint8))
    return made


_real_convert, _converted = export.convert, {}


def convert_once(graph, size) -> bytes:
    """``export.convert``, which takes 10 s and more, once for the same weights and outputs."""
    digest = hashlib.sha256()
    for name, tensor in graph.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    options = [getattr(graph, name, None) for name in ("decode", "labels", "upsample")]
    options += [graph.coder] if options[0] else []
    key = (type(graph), graph.pixels.uint8, *options, tuple(size), digest.hexdigest())
    if key not in _converted:
        _converted[key] = _real_convert(graph, size)
    return _converted[key]
