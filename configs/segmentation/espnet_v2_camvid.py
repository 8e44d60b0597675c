"""ESPNetv2: CamVid, 11 classes.

The training is that of ``lraspp_v3_small_camvid``, so that the networks can be compared.
Published: none with this training. Ours: not trained yet.

    DENSEVISION_DATA=/folder/with/camvid densevision train espnet_v2_camvid
"""

from mmengine.config import read_base

from densevision.segmentation.comparison import ESPNetV2Decoder

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid import *

model.backbone = dict(name="espnet_v2")
model.head = dict(type=ESPNetV2Decoder)
