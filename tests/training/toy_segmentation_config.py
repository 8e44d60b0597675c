"""A segmentation model for the tests of many processes."""
# ruff: noqa: F403, F405

from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmengine.optim import LinearLR
from torch.optim import SGD

with read_base():
    from ...configs._base_.runtime import *

from densevision.data.sampler import SeededSampler
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from tests.training.toy_tasks import FailOnce, FixedNorms, Seen, Sizes, Tiny

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", width=0.35, output_stride=16),
    head=dict(type=LRASPPHead, filters=16, dropout=0.0),
    num_classes=None,
)
train_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type=SeededSampler), dataset=dict(type=Tiny, task="segmentation")
)
val_dataloader = dict(
    batch_size=3,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(type=Tiny, size=13, task="segmentation"),
)
val_evaluator = dict(type=Sizes)
train_cfg.update(max_iters=12, val_interval=12)
total_batch = 8
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.02, momentum=0.9))
param_scheduler = [dict(type=LinearLR, start_factor=0.1, end=5)]
default_hooks.progress.update(interval=1)
default_hooks.curves.update(interval=1)
default_hooks.checkpoint.update(save_best=None)
custom_hooks = [dict(type=FixedNorms), dict(type=Seen), dict(type=FailOnce)]
