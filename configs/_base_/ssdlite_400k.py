"""The authors' training of SSDLite on COCO, 400,000 iterations of 512 images. Read it after ``runtime`` and ``coco``.

Source: paper section 6.3; the authors' ssdlite_mobilenet_v3_{large,small}_320x320_coco.
"""

from albumentations import HorizontalFlip
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

from densevision.data.sampler import SeededSampler
from densevision.detection.coco import CocoDataset
from densevision.detection.transforms import SSDCrop
from densevision.training.loop import TrainLoop
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper

train_dataloader = dict(
    dataset=dict(
        type=CocoDataset,
        data_root="coco",
        ann_file="annotations/instances_train2017.json",
        image_dir="train2017",
        transforms=[dict(type=SSDCrop), dict(type=HorizontalFlip, p=0.5)],
    ),
    sampler=dict(type=SeededSampler),
    batch_size=64,
)
train_cfg = dict(type=TrainLoop, max_iters=400_000, val_interval=10_000)
total_batch = 512
optim_wrapper = dict(
    type=GuardedOptimWrapper,
    constructor=DecayWeightsOnly,
    optimizer=dict(type=SGD, lr=0.4, momentum=0.9, weight_decay=4e-5),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=1 / 3, end=2000),
    dict(type=CosineAnnealingLR, begin=2000),
]
