"""SSDLite on V3-Small, halved tail, 320x320: COCO, as the authors' ssd_mobilenet_v3_small_coco_2020_01_14.

Published: 15.4 mAP on COCO (Object Detection API). Ours: not measured.
It differs from the paper's in padding, clipping and the 90 columns, one for each category id.
docs/weights.md says more.

    densevision convert ssd_mobilenet_v3_small_coco_2020_01_14/model.ckpt.index \
        --model tensorflow:ssd_mobilenet_v3_small_coco --out weights.pth
    DENSEVISION_DATA=/folder/with/coco densevision test \
        configs/detection/ssdlite_v3_small_reduced_coco_tensorflow_release.py weights.pth
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

train_dataloader.dataset.update(classes=90, transforms=[dict(type=SSDCrop), dict(type=HorizontalFlip, p=0.5)])
val_dataloader.dataset.update(classes=90, float_resize=True)

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small", reduced_tail="detection", padding="same"),
    num_classes=90,
    postprocess=dict(score_threshold=1e-8, candidates=2034, clip_first=False),
)
train_cfg.update(max_iters=800_000, val_interval=10_000)
total_batch = 512
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.4, momentum=0.9, weight_decay=4e-5))
param_scheduler = [
    dict(type=LinearLR, start_factor=1 / 3, end=2000),
    dict(type=CosineAnnealingLR, begin=2000),
]
default_hooks.checkpoint.update(save_best="coco/AP")
