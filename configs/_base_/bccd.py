"""BCCD's blood cells in COCO's format (640x480, 3 classes): loaders, metric and augmentation."""

from albumentations import ColorJitter, HorizontalFlip, VerticalFlip
from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.detection.coco import CocoDataset
from densevision.detection.metric import CocoMetric
from densevision.detection.mixing import BoxCopyPaste, BoxMosaic
from densevision.detection.transforms import Expand, SSDCrop

_bccd = dict(type=CocoDataset, data_root="bccd", classes=("RBC", "WBC", "Platelets"))

train_dataloader = dict(
    dataset=dict(
        _bccd,
        ann_file="annotations/instances_train.json",
        image_dir="train",
        mix=[
            dict(type=BoxMosaic, p=0.5, scale=(0.8, 1.25)),
            dict(type=BoxCopyPaste, p=0.5),
        ],
        # All images show the cells at one size, so that crop and expansion change it little.
        transforms=[
            dict(type=Expand, max_ratio=1.3, p=0.3),
            dict(type=SSDCrop, min_side=0.7, p=0.7),
            dict(type=HorizontalFlip),
            dict(type=VerticalFlip),
            dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.5),
        ],
    ),
    sampler=dict(type=SeededSampler),
    batch_size=16,
)
val_dataloader = dict(
    dataset=dict(_bccd, ann_file="annotations/instances_val.json", image_dir="val"),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=16,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=CocoMetric)
