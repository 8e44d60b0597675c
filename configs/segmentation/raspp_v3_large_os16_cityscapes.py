"""R-ASPP 256 on V3-Large, output stride 16: Cityscapes.

Published: 72.64 mIOU on val, 3.60 M parameters, 18.43 B MAdds, 3.55 s on Pixel 3 (Table 7, row 5);
0.906 s at half resolution. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train raspp_v3_large_os16_cityscapes
"""

from mmengine.config import read_base

from densevision.segmentation.head import RASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

paper = dict(table=7, row=5)
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_large", output_stride=16),
    head=dict(type=RASPPHead, filters=256),
    num_classes=None,
    bn_momentum=0.0003,
)
