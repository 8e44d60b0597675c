"""Classification on a small data set: augmentation, loaders and metric; the config adds its data.

Read it after ``runtime``. Crops keep at least half of the image: the objects of a small data set mostly fill it.
"""

from albumentations import ColorJitter, HorizontalFlip
from mmengine.dataset import DefaultSampler

from densevision.classification.dataset import ImageFolder
from densevision.classification.metric import TopKMetric
from densevision.classification.transforms import InceptionCrop
from densevision.data.sampler import SeededSampler

train_dataloader = dict(
    dataset=dict(
        type=ImageFolder,
        image_dir="train",
        transforms=[
            dict(type=InceptionCrop, scale=(0.5, 1.0)),
            dict(type=HorizontalFlip, p=0.5),
            dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.5),
        ],
    ),
    sampler=dict(type=SeededSampler),
    batch_size=32,
)
val_dataloader = dict(
    dataset=dict(type=ImageFolder, image_dir="val"),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=32,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=TopKMetric)
