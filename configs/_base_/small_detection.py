"""Detection on a small data set: augmentation, loaders and metric; the config adds its data. Read it after ``runtime``.

``densevision new`` writes configs with this base. As ``bccd``, without its flips: they depend on the objects.
"""

from albumentations import ColorJitter
from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.detection.metric import CocoMetric
from densevision.detection.mixing import BoxCopyPaste, BoxMosaic
from densevision.detection.transforms import Expand, SSDCrop

train_dataloader = dict(
    dataset=dict(
        mix=[
            dict(type=BoxMosaic, p=0.5, scale=(0.8, 1.25)),
            dict(type=BoxCopyPaste, p=0.5),
        ],
        transforms=[
            dict(type=Expand, max_ratio=1.3, p=0.3),
            dict(type=SSDCrop, min_side=0.7, p=0.7),
            dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.5),
        ],
    ),
    sampler=dict(type=SeededSampler),
    batch_size=16,
)
val_dataloader = dict(
    dataset=dict(),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=16,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=CocoMetric)
