"""MobileNetV3 detection and segmentation, from a config file to a timed TFLite model."""

__version__ = "0.1.0"
