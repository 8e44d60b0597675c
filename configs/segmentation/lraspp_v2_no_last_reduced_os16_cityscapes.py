"""LR-ASPP 128 on V2 RF2, output stride 16: Cityscapes, 19 classes, from scratch.

Published: 72.74 mIOU on val, 0.98 M parameters, 12.57 B MAdds, 2.89 s on Pixel 3 (Table 7, row 4);
0.766 s at half resolution. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train \
        configs/segmentation/lraspp_v2_no_last_reduced_os16_cityscapes.py
"""

from mmengine.config import read_base
from mmengine.optim import LinearLR, PolyLR
from torch.optim import SGD

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from .._base_.cityscapes import *
    from .._base_.runtime import *

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v2_no_last", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.0003,
)
train_cfg.update(max_iters=320_000, val_interval=8000)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.05, momentum=0.9, weight_decay=4e-5))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.01, end=2000),
    dict(type=PolyLR, power=0.9, begin=2000),
]
default_hooks.checkpoint.update(save_best="seg/mIoU")
