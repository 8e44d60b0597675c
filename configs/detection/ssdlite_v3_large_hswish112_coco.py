"""SSDLite on V3-Large, h-swish from 112 channels, 320x320: COCO, ablation.

Published: none on COCO; as a classifier 75.0 instead of 75.2 top-1 and 51 instead of 51.4 ms on Pixel 1 (Table 5).
`hswish_from=None` is ReLU everywhere, 16 h-swish everywhere; docs/paper.md lists the switches.
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh \
        configs/detection/ssdlite_v3_large_hswish112_coco.py 8
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
    backbone=dict(name="mobilenet_v3_large", hswish_from=112),
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
