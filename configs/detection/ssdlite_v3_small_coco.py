"""SSDLite on V3-Small, 320x320: COCO, the authors' recipe.

Published: 16.0 mAP on COCO, 2.49 M parameters, 0.21 B MAdds, 52 ms on Pixel 1 (Table 6, row 10).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v3_small_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=10)
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small"),
    num_classes=None,
)
train_cfg.update(max_iters=800_000)
