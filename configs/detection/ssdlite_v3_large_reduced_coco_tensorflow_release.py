"""SSDLite on V3-Large, halved tail, 320x320: COCO, the authors' release.

Published: 22.6 mAP on COCO (Object Detection API). Ours: not measured.
It differs from the paper's in padding, clipping and the 90 columns, one for each category id.
See docs/weights.md.

    densevision convert ssd_mobilenet_v3_large_coco_2020_01_14/model.ckpt.index \
        --model tensorflow:ssd_mobilenet_v3_large_coco --out weights.pth
    DENSEVISION_DATA=/folder/with/coco densevision test ssdlite_v3_large_reduced_coco_tensorflow_release weights.pth
"""

from mmengine.config import read_base

from densevision.detection.model import SSDLite

with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.coco import *
    from densevision.configs._base_.ssdlite_400k import *

train_dataloader.dataset.update(classes=90)
val_dataloader.dataset.update(classes=90, float_resize=True)

model = dict(
    type=SSDLite,
    backbone=dict(name="mobilenet_v3_large", reduced_tail="detection", padding="same"),
    num_classes=90,
    postprocess=dict(score_threshold=1e-8, candidates=2034, clip_first=False),
)
