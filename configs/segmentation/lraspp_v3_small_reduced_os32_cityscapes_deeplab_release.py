"""LR-ASPP 128 on V3-Small RF2, output stride 32: Cityscapes, as deeplab_mnv3_small_cityscapes_trainfine.

Published: 68.99 mIOU on val (the authors' DeepLab release). Ours: not measured.
It differs from the paper's in padding, resizing and one epsilon; docs/weights.md says more.

    densevision convert deeplab_mnv3_small_cityscapes_trainfine/model.ckpt.index \
        --model tensorflow:deeplab_mnv3_small_cityscapes_trainfine --out weights.pth
    DENSEVISION_DATA=/folder/with/cityscapes densevision test \
        configs/segmentation/lraspp_v3_small_reduced_os32_cityscapes_deeplab_release.py weights.pth
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
    backbone=dict(name="mobilenet_v3_small", output_stride=32, reduced_tail="segmentation", padding="same"),
    head=dict(type=LRASPPHead, filters=128, bn_eps=1e-5, align_corners=True),
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
