"""V3-Small, 96x96: blood cells cut out of BCCD, 3 classes.

Published: none for this model. Ours: top-1 0.997 on cells cut out of BCCD, val (docs/results.md).

    densevision convert-data /folder/with/bccd --crops --out /folder/with/bccd_cells
    DENSEVISION_DATA=/folder/with densevision train v3_small_bccd_cells
"""

from albumentations import VerticalFlip
from mmengine.config import read_base
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch.optim import SGD

from densevision.classification.model import ImageClassifier

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.small_classification import *

model = dict(
    type=ImageClassifier,
    backbone=dict(name="mobilenet_v3_small"),
    num_classes=None,
    input_size=(96, 96),
    label_smoothing=0.1,
    bn_momentum=0.1,
)
train_dataloader.dataset.update(data_root="bccd_cells")
train_dataloader.dataset.transforms.append(dict(type=VerticalFlip, p=0.5))
val_dataloader.dataset.update(data_root="bccd_cells")
train_cfg.update(max_iters=600, val_interval=150)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.05, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end=100),
    dict(type=CosineAnnealingLR, begin=100),
]
