"""LR-ASPP 128 on V3-Small RF2, output stride 16: the quickstart's scenes.

Published: none. Ours: mIoU 0.574 on rendered scenes val (docs/results.md).
Trained on crops of 192x320, evaluated on whole 360x640 frames.

    densevision quickstart
"""

from albumentations import ColorJitter, HorizontalFlip, RandomCrop
from mmengine.config import read_base
from mmengine.optim import LinearLR, PolyLR
from torch.optim import AdamW

from densevision.segmentation.balance import BalanceClasses
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *

_classes = "road,sidewalk,building,pole,traffic light,traffic sign,vegetation,terrain,sky,person,car,bus"
_scenes = dict(data_root="scenes", classes=_classes.split(","))
_transforms = [
    dict(type=RandomCrop, height=192, width=320),
    dict(type=HorizontalFlip, p=0.5),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.3),
]
train_dataloader.dataset.update(_scenes, transforms=_transforms)
val_dataloader.dataset.update(_scenes)
train_dataloader.update(batch_size=8)
val_dataloader.update(batch_size=4)
total_batch = 8

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.1,
)
train_cfg.update(max_iters=200, val_interval=50)
optim_wrapper.update(optimizer=dict(type=AdamW, lr=4e-3, weight_decay=0.02))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=20),
    dict(type=PolyLR, power=0.9, begin=20, eta_min=1e-5),
]
custom_hooks = [dict(type=BalanceClasses)]
