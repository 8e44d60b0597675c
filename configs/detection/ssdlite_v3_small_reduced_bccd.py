"""SSDLite on V3-Small, halved tail, 320x320: BCCD blood cells, 3 classes.

Published: none for this model. Ours: AP 0.587 on BCCD val (docs/results.md).

    DENSEVISION_DATA=/folder/with/bccd densevision train ssdlite_v3_small_reduced_bccd
"""

from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import AdamW

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.bccd import *

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small", reduced_tail="detection"),
    num_classes=None,
    # Platelets are about 20 pixels at this size: a smaller lowest anchor than COCO's 32.
    anchors=dict(scales=(0.18, 0.3, 0.45, 0.6, 0.75, 0.95), lowest=0.075),
    postprocess=dict(iou_threshold=0.7),  # cells overlap
)
train_cfg.update(max_iters=2400, val_interval=480)
optim_wrapper.update(optimizer=dict(type=AdamW, lr=2e-3, weight_decay=0.05))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=320),
    dict(type=CosineAnnealingLR, begin=320),
]
