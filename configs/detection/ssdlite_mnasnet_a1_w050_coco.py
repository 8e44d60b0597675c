"""SSDLite on MnasNet 0.5, 320x320: COCO, the authors' recipe.

Published: 18.5 mAP on COCO, 1.68 M parameters, 0.29 B MAdds, 85 ms on Pixel 1 (Table 6, row 9).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_mnasnet_a1_w050_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=9)
model = dict(
    type=SSDLite,
    backbone=dict(name="mnasnet_a1", width=0.5),
    num_classes=None,
)
