"""The training of R-ASPP and LR-ASPP on Cityscapes, 320,000 iterations. Read it after ``runtime`` and ``cityscapes``.

The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.
"""

from mmengine.optim import LinearLR, PolyLR
from torch.optim import SGD

from densevision.training.loop import TrainLoop
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper

train_cfg = dict(type=TrainLoop, max_iters=320_000, val_interval=8000)
optim_wrapper = dict(
    type=GuardedOptimWrapper,
    constructor=DecayWeightsOnly,
    optimizer=dict(type=SGD, lr=0.05, momentum=0.9, weight_decay=4e-5),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.01, end=2000),
    dict(type=PolyLR, power=0.9, begin=2000),
]
