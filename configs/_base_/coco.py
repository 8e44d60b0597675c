"""COCO's folders: loaders, metric and the augmentation that every detector starts from.

A config for another data set in COCO's format updates ``data_root``, ``ann_file`` and ``image_dir`` of the loaders
(``dict.update`` on ``train_dataloader.dataset`` and so on). ``classes=None`` takes all classes of the json.
"""

from albumentations import ColorJitter, HorizontalFlip
from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.detection.coco import CocoDataset
from densevision.detection.metric import CocoMetric
from densevision.detection.transforms import Expand, SSDCrop

_train = dict(ann_file="annotations/instances_train2017.json", image_dir="train2017")
_val = dict(ann_file="annotations/instances_val2017.json", image_dir="val2017")

train_dataloader = dict(
    dataset=dict(
        type=CocoDataset,
        data_root="coco",
        **_train,
        transforms=[
            dict(type=ColorJitter, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05, p=0.5),
            dict(type=Expand, max_ratio=2.0, p=0.3),
            dict(type=SSDCrop),
            dict(type=HorizontalFlip, p=0.5),
        ],
    ),
    sampler=dict(type=SeededSampler),
    batch_size=64,
)
val_dataloader = dict(
    dataset=dict(type=CocoDataset, data_root="coco", **_val),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=16,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=CocoMetric)
