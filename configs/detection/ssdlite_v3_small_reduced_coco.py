"""SSDLite on V3-Small, halved tail, 320x320: COCO, the authors' recipe.

Published: 16.1 mAP on COCO, 1.77 M parameters, 0.16 B MAdds, 43 ms on Pixel 1 (Table 6, row 11).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v3_small_reduced_coco 8
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

paper = dict(table=6, row=11)
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small", reduced_tail="detection"),
    num_classes=None,
)
train_cfg.update(max_iters=800_000)
