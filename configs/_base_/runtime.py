"""What every training shares. A config imports it, from any folder, and states only what differs:

    with read_base():
        from densevision.configs._base_.runtime import *
        from densevision.configs._base_.coco import *
    train_cfg.update(max_iters=4000, val_interval=500)
    optim_wrapper.update(optimizer=dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=4e-5))
    param_scheduler = [
        dict(type=LinearLR, start_factor=0.1, end=200),
        dict(type=CosineAnnealingLR, begin=200),
    ]

A base is read after those whose names it replaces. Schedules count iterations; one without ``end`` lasts until the end
of the training. ``train_cfg.update(epochs=30, val_epochs=3)`` states its length in epochs. ``best.pth`` is chosen by
the metric's ``best_key``, or by ``default_hooks.checkpoint.save_best``. ``total_batch = 512`` states for how many
images per step (batch size x processes) the learning rate was chosen: a training with another number reports that at
its start.
``init_from = "weights.pth"`` starts from other weights, see docs/weights.md. ``default_hooks.ema=None`` switches the
moving average off. Names with a leading underscore are private.
"""

from mmengine.config import read_base  # noqa: F401
from mmengine.hooks import ParamSchedulerHook
from mmengine.runner import TestLoop, ValLoop

from densevision.training.average import EMAHook
from densevision.training.checkpoint_hook import CheckpointHook
from densevision.training.curves import CurvesHook
from densevision.training.deferred import RuntimeInfoHook
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

train_cfg = dict(type=TrainLoop)
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
