"""LR-ASPP 128 on V3-Small RF2, output stride 32: Cityscapes, as DeepLab.

Published: 68.99 mIOU on val (the authors' DeepLab release). Ours: not measured.
It differs from the paper's in padding, resizing and one epsilon; see docs/weights.md.

    densevision convert deeplab_mnv3_small_cityscapes_trainfine/model.ckpt.index \
        --model tensorflow:deeplab_mnv3_small_cityscapes_trainfine --out weights.pth
    DENSEVISION_DATA=/folder/with/cityscapes densevision test \
        lraspp_v3_small_reduced_os32_cityscapes_deeplab_release weights.pth
"""

from mmengine.config import read_base

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", output_stride=32, reduced_tail="segmentation", padding="same"),
    head=dict(type=LRASPPHead, filters=128, bn_eps=1e-5, align_corners=True),
    num_classes=None,
    bn_momentum=0.0003,
)
