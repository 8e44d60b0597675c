"""Segmentation on a small data set: loaders, metric and balanced classes; the config adds its data and the crop.

``densevision new`` writes configs with this base. Read it after ``runtime``.
"""

from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.segmentation.balance import BalanceClasses
from densevision.segmentation.metric import IoUMetric

train_dataloader = dict(
    dataset=dict(),
    sampler=dict(type=SeededSampler),
    batch_size=8,
)
val_dataloader = dict(
    dataset=dict(),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=4,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=IoUMetric)
custom_hooks = [dict(type=BalanceClasses)]
