"""The other systems of the paper's Table 8, as encoders and decoders of a ``Segmentor``; importing registers them."""

from densevision.backbones import register_backbone
from densevision.registry import MODELS
from densevision.segmentation.comparison.ccc2 import CCC2Decoder, CCC2Encoder
from densevision.segmentation.comparison.espnet_v1 import ESPNetDecoder, ESPNetEncoder
from densevision.segmentation.comparison.espnet_v2 import ESPNetV2Decoder, ESPNetV2Encoder

# Name of the network -> its encoder and its decoder.
NETWORKS = {
    "espnet_v1": (ESPNetEncoder, ESPNetDecoder),
    "espnet_v2": (ESPNetV2Encoder, ESPNetV2Decoder),
    "ccc2": (CCC2Encoder, CCC2Decoder),
}
__all__ = ["NETWORKS", *(part.__name__ for parts in NETWORKS.values() for part in parts)]

for _name, (_encoder, _decoder) in NETWORKS.items():
    register_backbone(_name, _encoder)
    MODELS.register_module(module=_decoder)
