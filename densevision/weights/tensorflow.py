"""The authors' TensorFlow 1 releases: their variable names, axis orders and class numbers, and ours.

Detection: ssd_mobilenet_v3_{large,small}_coco_2020_01_14 of the Object Detection API. Segmentation:
deeplab_mnv3_{large,small}_cityscapes_trainfine of DeepLab. A row maps a scope of theirs to a convolution of ours;
a convolution whose name ends in 0 has its batch norm beside it under 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

BACKBONE = {
    r"MobilenetV3/Conv": "backbone.stem.0",
    r"MobilenetV3/expanded_conv_(\d+)/expand": r"backbone.blocks.\1.expansion.0",
    r"MobilenetV3/expanded_conv_(\d+)/depthwise": r"backbone.blocks.\1.depthwise.0",
    r"MobilenetV3/expanded_conv_(\d+)/squeeze_excite/Conv": r"backbone.blocks.\1.se.reduce",
    r"MobilenetV3/expanded_conv_(\d+)/squeeze_excite/Conv_1": r"backbone.blocks.\1.se.expand",
    r"MobilenetV3/expanded_conv_(\d+)/project": r"backbone.blocks.\1.projection.0",
    r"MobilenetV3/Conv_1": "backbone.last.0",
}
# Extra maps are numbered from 2, behind C4 and C5; layer_17 (Large) and layer_13 (Small) are names of C5.
DETECTION = {f"FeatureExtractor/{scope}": module for scope, module in BACKBONE.items()} | {
    r"FeatureExtractor/MobilenetV3/layer_1[37]_1_Conv2d_(\d)_1x1_\d+": r"extra.\1.0.0",
    r"FeatureExtractor/MobilenetV3/layer_1[37]_2_Conv2d_(\d)_3x3_s2_\d+_depthwise": r"extra.\1.1.0",
    r"FeatureExtractor/MobilenetV3/layer_1[37]_2_Conv2d_(\d)_3x3_s2_\d+": r"extra.\1.2.0",
    r"BoxPredictor_(\d)/ClassPredictor_depthwise": r"head.classify.\1.0.0",
    r"BoxPredictor_(\d)/ClassPredictor": r"head.classify.\1.1",
    r"BoxPredictor_(\d)/BoxEncodingPredictor_depthwise": r"head.regress.\1.0.0",
    r"BoxPredictor_(\d)/BoxEncodingPredictor": r"head.regress.\1.1",
}
SEGMENTATION = BACKBONE | {
    r"aspp0": "head.project.0",
    r"image_pooling": "head.gate",
    r"decoder/decoder_conv0": "head.high_logits",
    r"decoder/feature_projection0": "head.low_logits",
}
BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}

_AVERAGE = "/ExponentialMovingAverage"
