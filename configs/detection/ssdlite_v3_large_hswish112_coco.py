"""SSDLite on V3-Large, h-swish from 112 channels, 320x320: COCO, ablation.

Published: none on COCO; as a classifier 75.0 instead of 75.2 top-1 and 51 instead of 51.4 ms on Pixel 1 (Table 5).
`hswish_from=None` is ReLU everywhere, 16 h-swish everywhere; docs/paper.md lists the switches.
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v3_large_hswish112_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large", hswish_from=112),
    num_classes=None,
)
