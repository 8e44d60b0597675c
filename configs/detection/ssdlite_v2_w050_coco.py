"""SSDLite on V2 0.5, 320x320: COCO, the authors' recipe.

Published: 16.6 mAP on COCO, 1.54 M parameters, 0.27 B MAdds, 79 ms on Pixel 1 (Table 6, row 7).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v2_w050_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=7)
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v2", width=0.5),
    num_classes=None,
)
