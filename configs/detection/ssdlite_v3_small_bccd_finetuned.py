"""SSDLite on V3-Small, 320x320: BCCD blood cells, from ImageNet weights.

Published: none for this model. Ours: not measured, no published weights could be fetched here (docs/weights.md).

    densevision convert timm:mobilenetv3_small_100 --out weights/mobilenetv3_small_100.pth
    DENSEVISION_DATA=/folder/with/bccd densevision train ssdlite_v3_small_bccd_finetuned
"""

from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import AdamW

from densevision.data.normalize import Normalize
from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.bccd import *

init_from = "weights/mobilenetv3_small_100.pth"
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small", bn_eps=1e-5),
    num_classes=None,
    anchors=dict(scales=(0.18, 0.3, 0.45, 0.6, 0.75, 0.95), lowest=0.075),
    data_preprocessor=dict(type=Normalize, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
)
train_cfg.update(max_iters=600, val_interval=150)
optim_wrapper.update(optimizer=dict(type=AdamW, lr=1e-3, weight_decay=0.05))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=100),
    dict(type=CosineAnnealingLR, begin=100),
]
