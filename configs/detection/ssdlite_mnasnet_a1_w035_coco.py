"""SSDLite on MnasNet 0.35, 320x320: COCO, 80 classes, from scratch, the authors' recipe.

Published: 15.6 mAP on COCO, 1.02 M parameters, 0.18 B MAdds, 68 ms on Pixel 1 (Table 6, row 8).
Ours: not trained yet. Batch 512: 64 on each of 8 processes.

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh \
        configs/detection/ssdlite_mnasnet_a1_w035_coco.py 8
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
    backbone=dict(name="mnasnet_a1", width=0.35),
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
