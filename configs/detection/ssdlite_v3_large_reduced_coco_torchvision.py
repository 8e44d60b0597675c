"""SSDLite on V3-Large, halved tail, 320x320: COCO, torchvision's recipe.

Published: 21.3 mAP by torchvision (weights COCO_V1), for the network of Table 6, row 5 (the authors: 22.0).
Unlike the authors: soft-max with hard negatives, 3234 anchors, a column for each of 90 category ids; in training
batch 192, all weights decay, no moving average. Its 660 epochs of 117,266 images are 403,000 steps.
Ours: neither its weights evaluated nor trained yet. From scratch, 24 images on each of 8 processes, or its weights:

    DENSEVISION_DATA=/folder/with/coco tools/dist_train.sh ssdlite_v3_large_reduced_coco_torchvision 8
    densevision convert torchvision:ssdlite320_mobilenet_v3_large --out weights.pth
    DENSEVISION_DATA=/folder/with/coco densevision test ssdlite_v3_large_reduced_coco_torchvision weights.pth
"""

from albumentations import HorizontalFlip
from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, DefaultOptimWrapperConstructor, LinearLR
from torch.optim import SGD

from densevision.detection.loss import SoftmaxLoss
from densevision.detection.model import SSDLite
from densevision.detection.transforms import SSDCrop

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *

train_dataloader.dataset.update(classes=90, transforms=[dict(type=SSDCrop), dict(type=HorizontalFlip, p=0.5)])
train_dataloader.update(batch_size=24)
val_dataloader.dataset.update(classes=90, float_resize=True)

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large", reduced_tail="detection"),
    num_classes=90,
    anchors=dict(lowest=None),
    loss=dict(type=SoftmaxLoss),
    postprocess=dict(score_threshold=0.001, iou_threshold=0.55, max_detections=300, candidates=300),
)
train_cfg.update(max_iters=403_000, val_interval=10_000)
total_batch = 192
optim_wrapper.update(
    optimizer=dict(type=SGD, lr=0.15, momentum=0.9, weight_decay=4e-5),
    constructor=DefaultOptimWrapperConstructor,
    clip_grad=None,
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.001, end=1000),
    dict(type=CosineAnnealingLR, begin=1000),
]
default_hooks.update(ema=None)
