"""The smallest detector and segmenter with every kind of layer, and a real conversion of each, made once."""

import hashlib

import numpy as np
import torch

from densevision.backbones import BACKBONES, BackboneSpec, Block, register_backbone
from densevision.deploy import export
from densevision.detection.model import SSDLite
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
SEGMENTER = """
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
model = dict(
    type=Segmentor, backbone=dict(name="toy", output_stride=16), head=dict(type=LRASPPHead, filters=16),
    num_classes=None,
)
"""


def detector(classes: int = 2, **settings) -> SSDLite:
    torch.manual_seed(0)
    return settle(SSDLite(dict(name="toy"), classes, SIZE, **settings))


def segmenter(classes: int = 3) -> Segmentor:
    torch.manual_seed(0)
    return settle(Segmentor(dict(name="toy", output_stride=16), dict(type=LRASPPHead, filters=16), classes))


def settle(model):
    """Spread the outputs: a fresh model scores everything the same."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.dtype == torch.float32:
                shift = torch.randn(tensor.shape, generator=generator) * 0.2
                tensor.copy_((tensor + shift).abs() + 0.1 if "running_var" in name else tensor + shift)
    return model.eval()


def pictures(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Smooth random pictures [H, W, 3] uint8."""
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
    key = (type(graph), graph.pixels.uint8, *options, tuple(size), digest.hexdigest())
    if key not in _converted:
        _converted[key] = _real_convert(graph, size)
    return _converted[key]
