"""LR-ASPP 128 on V3-Large RF2, output stride 16: CamVid, 11 classes.

The training is that of ``lraspp_v3_small_camvid``.
Published: none for this model. Ours: not trained yet.

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_large_camvid
"""

from mmengine.config import read_base

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid import *

model.backbone.update(name="mobilenet_v3_large")
