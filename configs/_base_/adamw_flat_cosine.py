"""AdamW with a rate that is flat for half of the training, then falls as a cosine. Read it after ``runtime``.

For small data sets, in place of SGD. Source: RTMDet's schedule; the rate is for batches of about 16 images.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import AdamW

from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper

optim_wrapper = dict(
    type=GuardedOptimWrapper,
    constructor=DecayWeightsOnly,
    optimizer=dict(type=AdamW, lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10.0),
)
# A begin or end between 0 and 1 is a share of the training.
param_scheduler = [
    dict(type=LinearLR, start_factor=0.001, end=0.05),
    dict(type=CosineAnnealingLR, begin=0.5, eta_min_ratio=0.05),
]
