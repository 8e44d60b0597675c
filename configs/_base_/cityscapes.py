"""Cityscapes folders: loaders, metric and the augmentation that every segmentation model starts from.

A config for another data set of this layout updates ``data_root``, ``classes`` and suffixes of the loaders
(``dict.update`` on ``train_dataloader.dataset`` and so on), and sets its own ``transforms`` for another crop.
"""

from albumentations import HorizontalFlip, PadIfNeeded, RandomCrop, RandomScale
from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.metric import IoUMetric

# The authors' augmentation: scale 0.5 to 2, crop, flip; padding has about the mean color and no label.
_transforms = [
    dict(type=RandomScale, scale_limit=(-0.5, 1.0), p=1.0),
    dict(type=PadIfNeeded, min_height=769, min_width=769, fill=127, fill_mask=255),
    dict(type=RandomCrop, height=769, width=769),
    dict(type=HorizontalFlip, p=0.5),
]

train_dataloader = dict(
    dataset=dict(type=CityscapesDataset, data_root="cityscapes", split="train", transforms=_transforms),
    sampler=dict(type=SeededSampler),
    batch_size=16,
)
total_batch = 16
val_dataloader = dict(
    dataset=dict(type=CityscapesDataset, data_root="cityscapes", split="val"),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=1,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=IoUMetric)
