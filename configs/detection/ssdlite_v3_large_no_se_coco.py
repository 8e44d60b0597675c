"""SSDLite on V3-Large, no squeeze-and-excite, 320x320: COCO, ablation.

Published: none on COCO (Figure 9 shows the step as a classifier); docs/paper.md lists the switches.
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh \
        configs/detection/ssdlite_v3_large_no_se_coco.py 8
"""

from albumentations import HorizontalFlip
from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

from densevision.detection.model import SSDLite
from densevision.detection.transforms import SSDCrop

with read_base():
    from .._base_.coco import *
    from .._base_.runtime import *

train_dataloader.dataset.update(transforms=[dict(type=SSDCrop), dict(type=HorizontalFlip, p=0.5)])

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large_no_se"),
    num_classes=None,
)
train_cfg.update(max_iters=400_000, val_interval=10_000)
total_batch = 512
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.4, momentum=0.9, weight_decay=4e-5))
param_scheduler = [
    dict(type=LinearLR, start_factor=1 / 3, end=2000),
    dict(type=CosineAnnealingLR, begin=2000),
]
default_hooks.checkpoint.update(save_best="coco/AP")
