"""CamVid as in ``camvid``, with stronger augmentation: other light, night, blur, noise, weather, scale 0.5 to 2.

It needs a long training; read it in place of ``camvid``. The light of an image changes often, the rest rarely.
"""

from albumentations import (
    ColorJitter,
    GaussianBlur,
    GaussNoise,
    HorizontalFlip,
    ImageCompression,
    MotionBlur,
    OneOf,
    PadIfNeeded,
    PlanckianJitter,
    RandomBrightnessContrast,
    RandomCrop,
    RandomGamma,
    RandomRain,
    RandomScale,
    RandomShadow,
    RandomToneCurve,
    Sequential,
)
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
_exposure = [
    dict(type=RandomGamma, gamma_limit=(45, 160), p=1.0),
    dict(type=RandomBrightnessContrast, brightness_limit=0.3, contrast_limit=0.4, p=1.0),
    dict(type=RandomToneCurve, scale=0.25, p=1.0),
]
_night = [  # dark, bluish or orange, pale, with the noise of a sensitive sensor
    dict(type=RandomGamma, gamma_limit=(130, 220), p=1.0),
    dict(type=PlanckianJitter, temperature_limit=(3500, 14000), p=1.0),
    dict(type=ColorJitter, brightness=(0.6, 1.0), contrast=(0.8, 1.0), saturation=(0.3, 0.9), hue=0.0, p=1.0),
    dict(type=GaussNoise, std_range=(0.01, 0.04), p=0.7),
]
_color = [
    dict(type=ColorJitter, brightness=0.0, contrast=0.0, saturation=0.5, hue=0.05, p=1.0),
    dict(type=PlanckianJitter, temperature_limit=(4000, 12000), p=1.0),
]
_blur = [
    dict(type=GaussianBlur, blur_limit=0, sigma_limit=(0.4, 1.5), p=1.0),
    dict(type=MotionBlur, blur_limit=(3, 7), p=1.0),
]
_noise = [
    dict(type=GaussNoise, std_range=(0.02, 0.08), p=1.0),
    dict(type=GaussNoise, std_range=(0.02, 0.08), per_channel=False, p=1.0),
    dict(type=ImageCompression, quality_range=(30, 80), p=1.0),
]
_weather = [
    dict(type=RandomBrightnessContrast, brightness_limit=(0.1, 0.3), contrast_limit=(-0.6, -0.3), p=1.0),  # haze
    dict(type=RandomRain, drop_length=8, blur_value=3, brightness_coefficient=0.85, p=1.0),
    dict(type=RandomShadow, shadow_roi=(0, 0.3, 1, 1), shadow_intensity_range=(0.3, 0.6), p=1.0),
]
_transforms = [
    dict(type=RandomScale, scale_limit=(-0.5, 1.0), p=1.0),
    dict(type=PadIfNeeded, min_height=288, min_width=384, fill=127, fill_mask=255),
    dict(type=RandomCrop, height=288, width=384),
    dict(type=HorizontalFlip, p=0.5),
    dict(
        type=OneOf,
        transforms=[dict(type=OneOf, transforms=_exposure, p=0.85), dict(type=Sequential, transforms=_night, p=0.15)],
        p=0.7,
    ),
    dict(type=OneOf, transforms=_color, p=0.4),
    dict(type=OneOf, transforms=_weather, p=0.15),
    dict(type=OneOf, transforms=_blur, p=0.15),
    dict(type=OneOf, transforms=_noise, p=0.15),
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
