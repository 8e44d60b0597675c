"""LR-ASPP 128 on V3-Large RF2, output stride 16: Cityscapes, test split.

Published: 72.6 mIOU on test, 9.74 B MAdds, 2.47 s on Pixel 3 (Table 8, row 1); at half
resolution 2.48 B, 0.657 s. On val: Table 7, row 8. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.
``densevision test`` labels the test images and writes what the Cityscapes server takes, zipped.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train lraspp_v3_large_reduced_os16_cityscapes_testsplit
"""

from mmengine.config import read_base

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

test_dataloader.dataset.update(split="test")

paper = dict(table=8, row=1)
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_large", output_stride=16, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.0003,
)
