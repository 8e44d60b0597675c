"""R-ASPP 256 on V2 RF2, output stride 16: Cityscapes.

Published: 72.56 mIOU on val, 1.15 M parameters, 13.68 B MAdds, 3.03 s on Pixel 3 (Table 7, row 2);
0.793 s at half resolution. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train raspp_v2_no_last_reduced_os16_cityscapes
"""

from mmengine.config import read_base

from densevision.segmentation.head import RASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

paper = dict(table=7, row=2)
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v2_no_last", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=RASPPHead, filters=256),
    num_classes=None,
    bn_momentum=0.0003,
)
