"""LR-ASPP 128 on V3-Small RF2: CamVid, 11 classes, distilled from V3-Large.

The training is that of ``lraspp_v3_small_camvid_continued``, with the outputs of ``lraspp_v3_large_camvid_long`` as
targets too. Train the networks of both ``_long`` configs first, or name your own files with
``--cfg-options init_from=PATH teacher=PATH``.
Published: none for this model. Ours: mIoU 0.686 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_small_camvid_distilled
"""

from mmengine.config import read_base

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid_continued import *

teacher = "work_dirs/lraspp_v3_large_camvid_long/best.pth"
