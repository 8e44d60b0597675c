"""LR-ASPP 128 on V3-Small RF2, output stride 32: Cityscapes, test split.

Published: 68.3 mIOU on test, 2.06 B MAdds, 1.03 s on Pixel 3 (Table 8, row 4); at half
resolution 0.53 B, 0.275 s. The authors' release has 68.99 on val. Ours: not trained yet.
The authors give crop, schedule, decay and augmentation; batch size, rate and length are our choice.
``densevision test`` labels the test images and writes what the Cityscapes server takes, zipped.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train lraspp_v3_small_reduced_os32_cityscapes_testsplit
"""

from mmengine.config import read_base

from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

test_dataloader.dataset.update(split="test")

paper = dict(table=8, row=4)
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small", output_stride=32, reduced_tail="segmentation"),
    head=dict(type=LRASPPHead, filters=128),
    num_classes=None,
    bn_momentum=0.0003,
)
