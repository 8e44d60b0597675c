"""What every training shares. A leaf config imports it and says only what differs:

    with read_base():
        from .._base_.runtime import *
    train_cfg.update(max_iters=4000, val_interval=500)
    optim_wrapper.update(optimizer=dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=4e-5))
    param_scheduler = [
        dict(type=LinearLR, start_factor=0.1, end=200),
        dict(type=CosineAnnealingLR, begin=200),
    ]
    default_hooks.checkpoint.update(save_best="coco/AP")

Iterations are the only unit of time; a schedule without ``end`` lasts until ``max_iters``.
``total_batch = 512`` says for how many images per step (batch size x processes) the rate was chosen: a training
with another number says so at its start. ``init_from = "weights.pth"`` starts from other weights, see docs/weights.md.
``default_hooks.ema=None`` switches the moving average off. Names with a leading underscore are private.
"""

from mmengine.config import read_base  # noqa: F401
from mmengine.hooks import EMAHook, ParamSchedulerHook, RuntimeInfoHook
from mmengine.runner import TestLoop, ValLoop

from densevision.training.checkpoint_hook import CheckpointHook
from densevision.training.curves import CurvesHook
from densevision.training.loop import TrainLoop
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper
from densevision.training.progress import ProgressHook

default_scope = None
randomness = dict(seed=0)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

train_cfg = dict(type=TrainLoop, max_iters=1000, val_interval=1000)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)

optim_wrapper = dict(
    type=GuardedOptimWrapper,
    constructor=DecayWeightsOnly,
    clip_grad=dict(max_norm=10.0),
)

default_hooks = dict(
    runtime_info=dict(type=RuntimeInfoHook),
    param_scheduler=dict(type=ParamSchedulerHook),
    # Averages over the last tenth of a short run, over the last thousand iterations of a long one.
    ema=dict(type=EMAHook, ema_type="MomentumAnnealingEMA", momentum=0.001, gamma=10, update_buffers=True),
    progress=dict(type=ProgressHook, interval=20),
    curves=dict(type=CurvesHook),
    checkpoint=dict(type=CheckpointHook),
    timer=None,
    sampler_seed=None,
    logger=None,
)
