"""ESPNetv2: Cityscapes, test split.

Published: 66.2 mIOU on test, 2.7 B MAdds (Table 8, row 5), for images of 512x1024 and with
the recipe of its own authors. Ours: not trained yet.
The training is that of our LR-ASPP rows, so that the networks can be compared.
``densevision test`` labels the test images and writes what the Cityscapes server takes, zipped.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train espnet_v2_cityscapes_testsplit
"""

from mmengine.config import read_base

from densevision.segmentation.comparison import ESPNetV2Decoder
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

test_dataloader.dataset.update(split="test")

paper = dict(table=8, row=5)
model = dict(
    type=Segmentor,
    backbone=dict(name="espnet_v2"),
    head=dict(type=ESPNetV2Decoder),
    num_classes=None,
    bn_momentum=0.0003,
)
