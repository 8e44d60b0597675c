"""LR-ASPP 128 on V3-Small RF2: CamVid, 11 classes, for another street.

Continues from the weights of ``lraspp_v3_small_camvid_long``, with colors and rectangles of other training images.
Train that first, or name your own file with ``--cfg-options init_from=PATH``.
Published: none for this model. Ours: mIoU 0.692 on CamVid val (11 classes) (docs/results.md).

    DENSEVISION_DATA=/folder/with/camvid densevision train lraspp_v3_small_camvid_continued
"""

from mmengine.config import read_base

from densevision.segmentation.transforms import ColorTransfer, CutMix

with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_camvid_long import *

init_from = "work_dirs/lraspp_v3_small_camvid_long/best.pth"
_mixed = [dict(type=ColorTransfer), dict(type=CutMix)]
train_dataloader.dataset.transforms = [*_mixed, *train_dataloader.dataset.transforms]
train_dataloader.dataset.early.transforms = [*_mixed, *train_dataloader.dataset.early.transforms]
train_cfg.update(max_iters=4000, val_interval=800)
