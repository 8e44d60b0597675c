"""SSDLite on V3-Large, no squeeze-and-excite, 320x320: COCO, ablation.

Published: none on COCO (Figure 9 shows the step as a classifier); docs/paper.md lists the switches.
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v3_large_no_se_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large_no_se"),
    num_classes=None,
)
