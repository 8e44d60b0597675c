"""LR-ASPP 128 on V3-Small RF2: CamVid, 11 classes, distilled from V3-Large.

Continues from the weights of ``lraspp_v3_small_camvid_long``, at scale 0.5 to 2, with the outputs of
``lraspp_v3_large_camvid_long`` as targets. Train both first, or name your own files with
``--cfg-options init_from=PATH teacher=PATH``.
Published: none for this model. Ours: mIoU 0.683 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_small_camvid_distilled
"""

from mmengine.config import read_base

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid_long import *

init_from = "work_dirs/lraspp_v3_small_camvid_long/best.pth"
teacher = "work_dirs/lraspp_v3_large_camvid_long/best.pth"
train_dataloader.dataset.early = None
train_dataloader.dataset.transforms[0].update(scale_limit=(-0.5, 1.0))
train_cfg.update(max_iters=3000, val_interval=500)
optim_wrapper.optimizer.update(lr=5e-3)
