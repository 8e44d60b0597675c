"""LR-ASPP on V3-Small, halved tail (RF2), output stride 16: CamVid, 11 classes, from scratch.

Published: none for this model. Ours: not trained yet.

    DENSEVISION_DATA=/folder/with/camvid densevision train \
        configs/segmentation/lraspp_mobilenet_v3_small_rf2_os16_360x480_camvid.py
"""

from albumentations import ColorJitter, HorizontalFlip, PadIfNeeded, RandomCrop, RandomScale
from mmengine.config import read_base
from mmengine.optim import LinearLR, PolyLR
from torch.optim import AdamW

from densevision.segmentation.balance import BalanceClasses
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from .._base_.cityscapes import *
    from .._base_.runtime import *

_classes = "sky building pole road sidewalk vegetation traffic_sign fence car person bicycle".split()
_camvid = dict(
    data_root="camvid",
    classes=[name.replace("_", " ") for name in _classes],
    image_suffix="_leftImg8bit.jpg",
)
_transforms = [
    dict(type=RandomScale, scale_limit=(-0.5, 1.0), p=1.0),
    dict(type=PadIfNeeded, min_height=288, min_width=384, fill=127, fill_mask=255),
    dict(type=RandomCrop, height=288, width=384),
    dict(type=HorizontalFlip, p=0.5),
    dict(type=ColorJitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05, p=0.8),
]
train_dataloader.dataset.update(_camvid, transforms=_transforms)
val_dataloader.dataset.update(_camvid)
test_dataloader.dataset.update(_camvid)
train_dataloader.update(batch_size=8, num_workers=1)
val_dataloader.update(batch_size=4, num_workers=1)

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.1,
)
train_cfg.update(max_iters=4500, val_interval=500)
optim_wrapper.update(optimizer=dict(type=AdamW, lr=3e-3, weight_decay=0.02))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=150),
    dict(type=PolyLR, power=0.9, begin=150, eta_min=1e-5),
]
custom_hooks = [dict(type=BalanceClasses)]
default_hooks.checkpoint.update(save_best="seg/mIoU")
