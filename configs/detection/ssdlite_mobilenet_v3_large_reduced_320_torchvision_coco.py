"""SSDLite on V3-Large, halved tail, 320x320: COCO, as torchvision's ssdlite320_mobilenet_v3_large.

Published: 21.3 mAP on COCO val2017 (torchvision, weights COCO_V1). Ours: not measured.
It differs from the paper's in loss, anchors, post-processing and the 90 columns, one for each category id.
To train from scratch take torchvision's whole recipe, ssdlite_mobilenet_v3_large_reduced_320_torchvision_403k_coco.

    densevision convert torchvision:ssdlite320_mobilenet_v3_large --out weights.pth
    DENSEVISION_DATA=/folder/with/coco densevision test \
        configs/detection/ssdlite_mobilenet_v3_large_reduced_320_torchvision_coco.py weights.pth
"""

from albumentations import HorizontalFlip
from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR
from torch.optim import SGD

from densevision.detection.loss import SoftmaxLoss
from densevision.detection.model import SSDLite
from densevision.detection.transforms import SSDCrop

with read_base():
    from .._base_.coco import *
    from .._base_.runtime import *

train_dataloader.dataset.update(classes=90, transforms=[dict(type=SSDCrop), dict(type=HorizontalFlip, p=0.5)])
train_dataloader.update(batch_size=24)
val_dataloader.dataset.update(classes=90, float_resize=True)
test_dataloader.dataset.update(classes=90, float_resize=True)

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large", reduced_tail="detection"),
    num_classes=90,
    anchors=dict(lowest=None),
    loss=dict(type=SoftmaxLoss),
    postprocess=dict(score_threshold=0.001, iou_threshold=0.55, max_detections=300, candidates=300),
)
train_cfg.update(max_iters=400_000, val_interval=10_000)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.15, momentum=0.9, weight_decay=4e-5))
param_scheduler = [dict(type=CosineAnnealingLR)]
default_hooks.checkpoint.update(save_best="coco/AP")
