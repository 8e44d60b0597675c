"""MobileNetV3 detection, segmentation and classification, from a config file to a timed TFLite model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers; at run time each module is imported at first use
    from densevision.api import evaluate as evaluate
    from densevision.api import load as load
    from densevision.api import train as train
    from densevision.backbones import build_backbone as build_backbone
    from densevision.config.load import load_config as load_config
    from densevision.detection.model import SSDLite as SSDLite
    from densevision.errors import UserError as UserError
    from densevision.export.api import export as export
    from densevision.export.exporter import ExportOptions as ExportOptions
    from densevision.inference.results import DetectionResult as DetectionResult
    from densevision.inference.results import SegmentationResult as SegmentationResult
    from densevision.segmentation.model import Segmentor as Segmentor
    from densevision.structures import Detections as Detections

__version__ = "0.1.0"
_PUBLIC = {
    **dict.fromkeys(("load", "train", "evaluate"), "densevision.api"),
    "export": "densevision.export",
    "ExportOptions": "densevision.export.exporter",
    "build_backbone": "densevision.backbones",
    **dict.fromkeys(("DetectionResult", "SegmentationResult"), "densevision.inference.results"),
    "load_config": "densevision.config.load",
    "SSDLite": "densevision.detection.model",
    "UserError": "densevision.errors",
    "Segmentor": "densevision.segmentation.model",
    "Detections": "densevision.structures",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'densevision' has no attribute {name!r}")
    module = importlib.import_module(_PUBLIC[name])
    found = getattr(module, name, module)  # densevision.export is a package that can be called
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
