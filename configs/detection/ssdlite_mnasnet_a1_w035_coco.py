"""SSDLite on MnasNet 0.35, 320x320: COCO, the authors' recipe.

Published: 15.6 mAP on COCO, 1.02 M parameters, 0.18 B MAdds, 68 ms on Pixel 1 (Table 6, row 8).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_mnasnet_a1_w035_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=8)
model = dict(
    type=SSDLite,
    backbone=dict(name="mnasnet_a1", width=0.35),
    num_classes=None,
)
