"""SSDLite on V1, 320x320: COCO, the authors' recipe.

Published: 22.2 mAP on COCO, 5.1 M parameters, 1.3 B MAdds, 228 ms on Pixel 1 (Table 6, row 1).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v1_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=1)
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v1"),
    num_classes=None,
)
