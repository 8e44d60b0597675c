"""SSDLite on V3-Small, 320x320: BCCD blood cells, 3 classes, from a backbone trained on ImageNet by timm.

Published: none for this model. Ours: not measured, no published weights could be fetched here (docs/weights.md).

    densevision convert timm:mobilenetv3_small_100 --out weights/mobilenetv3_small_100.pth
    DENSEVISION_DATA=/folder/with/bccd densevision train \
        configs/detection/ssdlite_v3_small_bccd_finetuned.py
"""

from albumentations import ColorJitter, HorizontalFlip, VerticalFlip
from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

from densevision.data.normalize import Normalize
from densevision.detection.model import SSDLite
from densevision.detection.transforms import Expand, SSDCrop

with read_base():
    from .._base_.coco import *
    from .._base_.runtime import *

_classes = ("RBC", "WBC", "Platelets")
_train = dict(data_root="bccd", ann_file="annotations/instances_train.json", image_dir="train", classes=_classes)
_val = dict(data_root="bccd", ann_file="annotations/instances_val.json", image_dir="val", classes=_classes)
_transforms = [
    dict(type=Expand, max_ratio=2.0, p=0.3),
    dict(type=SSDCrop, p=0.7),
    dict(type=HorizontalFlip),
    dict(type=VerticalFlip),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.5),
]
train_dataloader.dataset.update(_train, transforms=_transforms)
val_dataloader.dataset.update(_val)
train_dataloader.update(batch_size=16, num_workers=1)
val_dataloader.update(num_workers=1)

init_from = "weights/mobilenetv3_small_100.pth"
model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small", bn_eps=1e-5),
    num_classes=None,
    anchors=dict(scales=(0.18, 0.3, 0.45, 0.6, 0.75, 0.95), lowest=0.075),
    data_preprocessor=dict(type=Normalize, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
)
train_cfg.update(max_iters=600, val_interval=150)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.05, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=100),
    dict(type=CosineAnnealingLR, begin=100),
]
default_hooks.checkpoint.update(save_best="coco/AP")
