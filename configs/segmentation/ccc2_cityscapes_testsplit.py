"""CCC2: Cityscapes, test split.

Published: 62.0 mIOU on test, 3.15 B MAdds (Table 8, row 6), for images of 512x1024 and with
the recipe of its own authors. Ours: not trained yet.
The row was never published as a configuration, see docs/paper.md.
The training is that of our LR-ASPP rows, so that the networks can be compared.
``densevision test`` labels the test images and writes what the Cityscapes server takes, zipped.

    DENSEVISION_DATA=/folder/with/cityscapes densevision train ccc2_cityscapes_testsplit
"""

from mmengine.config import read_base

from densevision.segmentation.comparison import CCC2Decoder
from densevision.segmentation.model import Segmentor

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.cityscapes import *
    from densevision.configs._base_.aspp_320k import *

test_dataloader.dataset.update(split="test")

paper = dict(table=8, row=6)
model = dict(
    type=Segmentor,
    backbone=dict(name="ccc2"),
    head=dict(type=CCC2Decoder),
    num_classes=None,
    bn_momentum=0.0003,
)
