"""SSDLite on V2, 320x320: COCO, the authors' recipe.

Published: 22.1 mAP on COCO, 4.3 M parameters, 0.8 B MAdds, 162 ms on Pixel 1 (Table 6, row 2).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v2_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=2)
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v2"),
    num_classes=None,
)
