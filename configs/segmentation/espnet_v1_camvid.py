"""ESPNetv1: CamVid, 11 classes.

The training is that of ``lraspp_v3_small_camvid``, so that the networks can be compared.
Published: none with this training. Ours: mIoU 0.464 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train espnet_v1_camvid
"""

from mmengine.config import read_base

from densevision.segmentation.comparison import ESPNetDecoder

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid import *

model.backbone = dict(name="espnet_v1")
model.head = dict(type=ESPNetDecoder)
