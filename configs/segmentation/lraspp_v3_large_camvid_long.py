"""LR-ASPP 128 on V3-Large RF2: CamVid, 11 classes, a long training.

The training is that of ``lraspp_v3_small_camvid_long``, with 4,500 iterations, about two hours of one CPU core.
Published: none for this model. Ours: mIoU 0.694 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_large_camvid_long
"""

from mmengine.config import read_base

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid_long import *

model.backbone.update(name="mobilenet_v3_large")
train_cfg.update(max_iters=4500, val_interval=900)
