"""LR-ASPP 128 on V3-Small RF2, output stride 32: Cityscapes, 19 classes, from scratch.

Published: 68.3 mIOU on test, 2.06 B MAdds, 1.03 s on Pixel 3 (Table 8, row 4); at half
resolution 0.53 B, 0.275 s. The authors' release has 68.99 on val. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.
``densevision test`` labels the test images and writes what the Cityscapes server takes, zipped.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train \
        configs/segmentation/lraspp_v3_small_reduced_os32_cityscapes_testsplit.py
"""

from mmengine.config import read_base
from mmengine.optim import LinearLR, PolyLR
from torch.optim import SGD

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from .._base_.cityscapes import *
    from .._base_.runtime import *

test_dataloader.dataset.update(split="test")

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", output_stride=32, reduced_tail="segmentation"),
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
