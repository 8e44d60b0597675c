"""Mobile backbones: tables as data, one builder, three taps."""

from densevision.backbones.backbone import (
    Backbone,
    Tap,
    TappedNetwork,
    Taps,
    build_backbone,
    compute_taps,
    modules_to_initialize,
    network_parts,
    set_momentum,
)
from densevision.backbones.classifier import Classifier
from densevision.backbones.freeze import keep_frozen
from densevision.backbones.spec import BackboneSpec, Block
from densevision.backbones.tables import BACKBONES, register_backbone

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "Block",
    "Classifier",
    "Tap",
    "TappedNetwork",
    "Taps",
    "build_backbone",
    "compute_taps",
    "keep_frozen",
    "modules_to_initialize",
    "network_parts",
    "register_backbone",
    "set_momentum",
]
