"""The other systems of the paper's Table 8, as encoders and decoders of a ``Segmentor``; importing registers them."""

from densevision.backbones import register_backbone
from densevision.registry import MODELS
from densevision.segmentation.comparison.espnet_v1 import ESPNetDecoder, ESPNetEncoder

__all__ = ["ESPNetDecoder", "ESPNetEncoder"]

register_backbone("espnet_v1", ESPNetEncoder)
MODELS.register_module(module=ESPNetDecoder)
