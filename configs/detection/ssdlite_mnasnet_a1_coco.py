"""SSDLite on MnasNet-A1, 320x320: COCO, the authors' recipe.

Published: 23.0 mAP on COCO, 4.88 M parameters, 0.84 B MAdds, 174 ms on Pixel 1 (Table 6, row 3).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_mnasnet_a1_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=3)
model = dict(
    type=SSDLite,
    backbone=dict(name="mnasnet_a1"),
    num_classes=None,
)
