"""LR-ASPP 128 on V3-Large RF2, output stride 16: Cityscapes.

Published: 72.36 mIOU on val, 1.51 M parameters, 9.74 B MAdds, 2.47 s on Pixel 3 (Table 7, row 8);
0.657 s at half resolution. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train lraspp_v3_large_reduced_os16_cityscapes
"""

from mmengine.config import read_base

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

paper = dict(table=7, row=8)
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_large", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.0003,
)
