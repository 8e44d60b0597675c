"""LR-ASPP 128 on V3-Large, output stride 16: Pascal VOC, as torchvision.

Published: 57.9 mIOU on COCO val2017 with VOC labels, short side 520 (torchvision). Ours: not measured.
It differs from the paper's in the low-level tap, one dilation and the gate. docs/weights.md lays out the folders.

    densevision convert torchvision:lraspp_mobilenet_v3_large --out weights.pth
    DENSEVISION_DATA=/folder/with/voc densevision test lraspp_v3_large_os16_voc_torchvision weights.pth
"""

from mmengine.config import read_base
from mmengine.optim import PolyLR
from torch.optim import SGD

from densevision.data.normalize import Normalize
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.voc import *

model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_large_lraspp_torchvision", output_stride=16),
    head=dict(type=LRASPPHead, filters=128, pooling="global", gate="sigmoid", bn_eps=1e-5, stretch=True),
    num_classes=None,
    data_preprocessor=dict(type=Normalize, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
)
train_cfg.update(max_iters=86_000, val_interval=4000)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.02, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type=PolyLR, power=0.9)]
