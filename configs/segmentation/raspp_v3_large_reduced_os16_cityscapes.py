"""R-ASPP 256 on V3-Large RF2, output stride 16: Cityscapes.

Published: 71.91 mIOU on val, 1.76 M parameters, 11.24 B MAdds, 2.60 s on Pixel 3 (Table 7, row 6);
0.668 s at half resolution. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train raspp_v3_large_reduced_os16_cityscapes
"""

from mmengine.config import read_base

from densevision.segmentation.head import RASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

paper = dict(table=7, row=6)
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_large", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=RASPPHead, filters=256),
    num_classes=None,
    bn_momentum=0.0003,
)
