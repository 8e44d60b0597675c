"""Pascal VOC in the Cityscapes layout (21 classes, the first is background): loaders, metric and augmentation."""

from albumentations import HorizontalFlip, PadIfNeeded, RandomCrop, RandomScale
from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.metric import IoUMetric

_names = (
    *("__background__", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_voc = dict(
    type=CityscapesDataset,
    data_root="voc",
    classes={name: label_id for label_id, name in enumerate(_names)},
    image_suffix=".jpg",
    label_suffix=".png",
)
# Scale 0.5 to 2; padding has about the mean color and no label.
_transforms = [
    dict(type=RandomScale, scale_limit=(-0.5, 1.0), p=1.0),
    dict(type=PadIfNeeded, min_height=480, min_width=480, fill=127, fill_mask=255),
    dict(type=RandomCrop, height=480, width=480),
    dict(type=HorizontalFlip, p=0.5),
]

train_dataloader = dict(
    dataset=dict(_voc, split="train", transforms=_transforms),
    sampler=dict(type=SeededSampler),
    batch_size=32,
)
total_batch = 32
val_dataloader = dict(
    dataset=dict(_voc, split="val"),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=1,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=IoUMetric)
