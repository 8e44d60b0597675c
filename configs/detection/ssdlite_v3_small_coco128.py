"""SSDLite on V3-Small, 320x320: COCO128, tested on its training images.

It shows that the pipeline can learn COCO's classes: trained and evaluated on the same images.
Published: none. Ours: AP 0.867 on COCO128 (its training images) (docs/results.md).

    DENSEVISION_DATA=/folder/with/coco128 densevision train ssdlite_v3_small_coco128
"""

from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *

_coco128 = dict(data_root="coco128", ann_file="annotations/instances_train2017.json", image_dir="train2017")
train_dataloader.dataset.update(_coco128, transforms=[])
val_dataloader.dataset.update(_coco128)
train_dataloader.update(batch_size=16)

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_small"),
    num_classes=None,
)
train_cfg.update(max_iters=800, val_interval=200)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=0.0))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=100),
    dict(type=CosineAnnealingLR, begin=100),
]
