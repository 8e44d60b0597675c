"""LR-ASPP 128 on V3-Small RF2, output stride 16: CamVid, 11 classes.

Published: none for this model. Ours: mIoU 0.610 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_small_camvid
"""

from mmengine.config import read_base
from mmengine.optim import LinearLR, PolyLR
from torch.optim import AdamW

from densevision.segmentation.balance import BalanceClasses
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.camvid import *

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.1,
)
train_cfg.update(max_iters=2500, val_interval=500)
optim_wrapper.update(optimizer=dict(type=AdamW, lr=5e-3, weight_decay=0.02))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=100),
    dict(type=PolyLR, power=0.9, begin=100, eta_min=1e-5),
]
custom_hooks = [dict(type=BalanceClasses)]
