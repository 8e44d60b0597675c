"""CamVid in the Cityscapes layout (480x360, 11 classes): loaders, metric and augmentation."""

from albumentations import ColorJitter, HorizontalFlip, PadIfNeeded, RandomCrop, RandomScale
from mmengine.dataset import DefaultSampler

from densevision.data.sampler import SeededSampler
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.metric import IoUMetric

_camvid = dict(
    type=CityscapesDataset,
    data_root="camvid",
    classes=[
        *("sky", "building", "pole", "road", "sidewalk", "vegetation"),
        *("traffic sign", "fence", "car", "person", "bicycle"),
    ],
    image_suffix="_leftImg8bit.jpg",
)
# Scale 0.75 to 1.75; padding has about the mean color and no label.
_transforms = [
    dict(type=RandomScale, scale_limit=(-0.25, 0.75), p=1.0),
    dict(type=PadIfNeeded, min_height=288, min_width=384, fill=127, fill_mask=255),
    dict(type=RandomCrop, height=288, width=384),
    dict(type=HorizontalFlip, p=0.5),
    dict(type=ColorJitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05, p=0.8),
]

train_dataloader = dict(
    dataset=dict(_camvid, split="train", transforms=_transforms),
    sampler=dict(type=SeededSampler),
    batch_size=8,
)
val_dataloader = dict(
    dataset=dict(_camvid, split="val"),
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_size=4,
)
test_dataloader = dict(dataset=dict())  # what differs from val_dataloader
val_evaluator = dict(type=IoUMetric)
