"""SSDLite on V3-Small, halved tail, 256x448: the quickstart's scenes.

Published: none. Ours: AP50 0.641 on rendered scenes val (docs/results.md).

    densevision quickstart
"""

from albumentations import ColorJitter, HorizontalFlip
from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import AdamW

from densevision.detection.model import SSDLite
from densevision.detection.transforms import SSDCrop

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *

_train = dict(data_root="scenes", ann_file="annotations/instances_train.json", image_dir="leftImg8bit/train")
_val = dict(data_root="scenes", ann_file="annotations/instances_val.json", image_dir="leftImg8bit/val")
_transforms = [
    dict(type=SSDCrop, p=0.5),
    dict(type=HorizontalFlip, p=0.5),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.3),
]
train_dataloader.dataset.update(_train, transforms=_transforms)
val_dataloader.dataset.update(_val)
train_dataloader.update(batch_size=8)

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small", reduced_tail="detection"),
    num_classes=None,
    input_size=(256, 448),
    anchors=dict(scales=(0.2, 0.35, 0.5, 0.65, 0.8, 0.95), lowest=0.12),
    bn_momentum=0.1,
)
train_cfg.update(max_iters=320, val_interval=80)
optim_wrapper.update(optimizer=dict(type=AdamW, lr=3e-3, weight_decay=0.02))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, end=30),
    dict(type=CosineAnnealingLR, begin=30),
]
default_hooks.checkpoint.update(save_best="coco/AP50")
