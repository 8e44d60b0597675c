"""LR-ASPP 128 on V3-Small RF2: CamVid, 11 classes, a long training.

As ``lraspp_v3_small_camvid``, with 4.6 times its iterations, 40 % of them at half the size, Muon in place of AdamW, the
light, weather and noise of ``camvid_strong`` at the scale of ``camvid``, crops around rare classes, and Lovász-softmax
in the second half.
Published: none for this model. Ours: mIoU 0.694 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_small_camvid_long
"""

from albumentations import PadIfNeeded, RandomScale
from mmengine.config import read_base
from mmengine.optim import LinearLR, PolyLR

from densevision.segmentation.loss import CrossEntropyLoss
from densevision.segmentation.lovasz import LovaszSoftmaxLoss
from densevision.segmentation.sum_loss import SumLoss
from densevision.segmentation.transforms import ClassUniformCrop
from densevision.training.muon import MuonAdamW

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid import *
    from densevision.configs._base_.camvid_strong import *

train_dataloader.dataset.transforms[0] = dict(type=RandomScale, scale_limit=(-0.25, 0.75), p=1.0)
train_dataloader.dataset.transforms[2] = dict(type=ClassUniformCrop, height=288, width=384, share=0.5)
train_dataloader.dataset.early = dict(
    until=0.4,
    transforms=[
        dict(type=RandomScale, scale_limit=(-0.625, -0.125), p=1.0),
        dict(type=PadIfNeeded, min_height=144, min_width=192, fill=127, fill_mask=255),
        dict(type=ClassUniformCrop, height=144, width=192, share=0.5),
        *train_dataloader.dataset.transforms[3:],
    ],
)
model.update(
    loss=dict(type=SumLoss, losses=[dict(type=CrossEntropyLoss), dict(type=LovaszSoftmaxLoss)], begins=[0, 0.5])
)
train_cfg.update(max_iters=11500, val_interval=2300)
optim_wrapper.update(optimizer=dict(type=MuonAdamW, lr=1e-2, weight_decay=0.02))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=0.04),
    dict(type=PolyLR, power=0.9, begin=0.04, eta_min=1e-5),
]
