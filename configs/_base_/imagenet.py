"""The paper's training of its classifiers on ImageNet: loaders, metric and recipe. Read it after ``runtime``.

``imagenet/train/n01440764/*.JPEG`` and so on; ``imagenet/classes.txt`` may name the classes (docs/classification.md).

Paper section 6.1.1: RMSProp with momentum 0.9, rate 0.1 for 4096 images per step, times 0.99 every 3 epochs, dropout
0.2, weight decay 1e-5, moving average 0.9999, Inception's preprocessing. It does not state the length, the epsilon, the
decay of the squares, and whether labels are smoothed: these are our choice. Another number of images per step needs
another rate in proportion, which the start of the training states.
"""

from albumentations import ColorJitter, HorizontalFlip
from mmengine.dataset import DefaultSampler
from mmengine.optim import StepLR

from densevision.classification.dataset import ImageFolder
from densevision.classification.metric import TopKMetric
from densevision.classification.transforms import InceptionCrop
from densevision.data.sampler import SeededSampler
from densevision.training.loop import TrainLoop
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper
from densevision.training.rmsprop import RMSpropTF

train_dataloader = dict(
    dataset=dict(
        type=ImageFolder,
        data_root="imagenet",
        image_dir="train",
        transforms=[
            dict(type=InceptionCrop),
            dict(type=HorizontalFlip, p=0.5),
            dict(type=ColorJitter, brightness=0.125, contrast=0.5, saturation=0.5, hue=0.2, p=1.0),
        ],
    ),
    sampler=dict(type=SeededSampler),
    batch_size=256,
)
total_batch = 4096
val_dataloader = dict(
    dataset=dict(type=ImageFolder, data_root="imagenet", image_dir="val"),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=256,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=TopKMetric)

train_cfg = dict(type=TrainLoop, epochs=600, val_epochs=5)
optim_wrapper = dict(
    type=GuardedOptimWrapper,
    constructor=DecayWeightsOnly,
    optimizer=dict(type=RMSpropTF, lr=0.1, decay=0.9, momentum=0.9, eps=1e-3, weight_decay=1e-5),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [dict(type=StepLR, step_epochs=3, gamma=0.99)]
