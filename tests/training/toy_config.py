"""A training of seconds, for the tests."""
# ruff: noqa: F403, F405

from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

with read_base():
    from ...configs._base_.runtime import *

from densevision.data.sampler import SeededSampler
from tests.training.toy_parts import Accuracy, Halves, SignalSelf, ToyModel

model = dict(type=ToyModel, num_classes=None)
train_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type=SeededSampler), dataset=dict(type=Halves, size=22)
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(type=Halves, size=13),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=Accuracy)
test_evaluator = val_evaluator
train_cfg.update(max_iters=40, val_interval=10)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.2, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type=LinearLR, start_factor=0.1, end=5), dict(type=CosineAnnealingLR, begin=5)]
default_hooks.checkpoint.update(save_best="toy/accuracy")
custom_hooks = [dict(type=SignalSelf)]
