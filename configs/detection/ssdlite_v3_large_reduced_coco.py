"""SSDLite on V3-Large, halved tail, 320x320: COCO, the authors' recipe.

Published: 22.0 mAP on COCO, 3.22 M parameters, 0.51 B MAdds, 119 ms on Pixel 1 (Table 6, row 5).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v3_large_reduced_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=5)
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large", reduced_tail="detection"),
    num_classes=None,
)
