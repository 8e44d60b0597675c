"""LR-ASPP 128 on V3-Large, output stride 16: Cityscapes, as MMSegmentation.

Published: 67.87 mIOU on val from scratch, 69.54 from ImageNet weights, by MMSegmentation on an LR-ASPP of its own
(output stride 8, skips of strides 2 and 4); the network here is the paper's, its tail not halved.
From its recipe: crop, augmentation, rate, decay of all weights, batch 16, length. Ours: not trained yet.

    DENSEVISION_DATA=/folder/with/cityscapes tools/dist_train.sh lraspp_v3_large_os16_cityscapes_mmseg 4
"""

from albumentations import ColorJitter, HorizontalFlip, PadIfNeeded, RandomCrop, RandomScale
from mmengine.config import read_base
from mmengine.optim import DefaultOptimWrapperConstructor, PolyLR
from torch.optim import SGD

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *

train_dataloader.dataset.update(
    transforms=[
        dict(type=RandomScale, scale_limit=(-0.5, 1.0), p=1.0),
        dict(type=PadIfNeeded, min_height=512, min_width=1024, fill=127, fill_mask=255),
        dict(type=RandomCrop, height=512, width=1024),
        dict(type=HorizontalFlip, p=0.5),
        dict(type=ColorJitter, brightness=0.125, contrast=0.5, saturation=0.5, hue=0.05, p=0.5),
    ]
)
train_dataloader.update(batch_size=4)

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_large", output_stride=16),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.1,
)
sync_bn = "torch"
train_cfg.update(max_iters=320_000, val_interval=8000)
optim_wrapper.update(
    optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=1e-4),
    constructor=DefaultOptimWrapperConstructor,
    clip_grad=None,
)
param_scheduler = [dict(type=PolyLR, power=0.9, eta_min=1e-4)]
default_hooks.update(ema=None)
