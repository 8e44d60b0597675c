"""V3-Small, 224x224: ImageNet, 1000 classes.

Published: top-1 67.4, Table 3. Ours: not trained yet.

    DENSEVISION_DATA=/folder/with/imagenet densevision train v3_small_imagenet --launcher pytorch
"""

from mmengine.config import read_base

from densevision.classification.model import ImageClassifier

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.imagenet import *

model = dict(
    type=ImageClassifier,
    backbone=dict(name="mobilenet_v3_small"),
    num_classes=None,
    center_crop=0.875,
    label_smoothing=0.1,
)
default_hooks.ema.update(momentum=1e-4)  # until iteration 100,000 it averages over the last tenth
