"""Mobile backbones: tables as data, one builder, three taps."""

from densevision.backbones.backbone import Backbone, Tap, build_backbone
from densevision.backbones.classifier import Classifier
from densevision.backbones.spec import BackboneSpec, Block
from densevision.backbones.tables import BACKBONES, register_backbone

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "Block",
    "Classifier",
    "Tap",
    "build_backbone",
    "register_backbone",
]
