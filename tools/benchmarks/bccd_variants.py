"""The tricks of docs/recipes.md on BCCD, for ``tricks.py``: each alone, some together, and the config as it is.

    DENSEVISION_DATA=/folder/with/bccd python tools/benchmarks/tricks.py ssdlite_v3_small_reduced_bccd \
        --variants tools/benchmarks/bccd_variants.py --iterations 1000 --seeds 0 --out runs/bccd_tricks

``baseline`` is the config without any of them, as it was before they were measured: SGD, SSD's crop and expansion.
"""

from albumentations import ColorJitter, HorizontalFlip, VerticalFlip
from torch.optim import SGD, AdamW

_WIDE_MOSAIC = dict(type="densevision.BoxMosaic", p=0.5, scale=(0.5, 1.5))
_MOSAIC = dict(type="densevision.BoxMosaic", p=0.5, scale=(0.8, 1.25))
_MIXUP = dict(type="densevision.BoxMixUp", p=0.15)
_PASTE = dict(type="densevision.BoxCopyPaste", p=0.5)
_GIOU = {"model.box_loss": dict(type="densevision.IoULoss", kind="giou", weight=2.0)}
_QUALITY = {"model.loss": dict(type="densevision.QualityFocalLoss")}
_DYNAMIC = {"model.assigner": dict(type="densevision.DynamicAssigner", topk=13)}
_ADAMW = {"optim_wrapper.optimizer": dict(type=AdamW, lr=2e-3, weight_decay=0.05)}
_NMS = {"model.postprocess.iou_threshold": 0.7}


def _mix(*mixes):
    return {"train_dataloader.dataset.mix": list(mixes)}


def _crop(expand, **crop):
    """Return the transforms with another expansion and crop."""
    transforms = [
        dict(type="densevision.Expand", max_ratio=expand, p=0.3),
        dict(type="densevision.SSDCrop", p=0.7, **crop),
        dict(type=HorizontalFlip),
        dict(type=VerticalFlip),
        dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.5),
    ]
    return {"train_dataloader.dataset.transforms": transforms}


_MILDER = _crop(1.3, min_side=0.7)
_BASELINE = (
    _mix()
    | _crop(2.0)
    | {
        "optim_wrapper.optimizer": dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=5e-4),
        "model.postprocess.iou_threshold": 0.6,
    }
)
_TRICKS = {
    "baseline": {},
    "dynamic": _GIOU | _QUALITY | _DYNAMIC,
    "mosaic": _mix(_WIDE_MOSAIC),
    "giou": _GIOU,
    "adamw": _ADAMW,
    "quality": _QUALITY,
    "paste": _mix(_PASTE),
    "mixup": _mix(_MIXUP),
    "milder": _MILDER,
    "nms": _NMS,
    "adamw_paste": _mix(_PASTE) | _ADAMW,
    "adamw_paste_mosaic": _mix(_WIDE_MOSAIC, _PASTE) | _ADAMW,
    "adamw_paste_milder": _mix(_PASTE) | _ADAMW | _MILDER,
    "adamw_paste_milder_mosaic": _mix(_MOSAIC, _PASTE) | _ADAMW | _MILDER,
    "all": _mix(_MOSAIC, _MIXUP, _PASTE) | _GIOU | _QUALITY | _DYNAMIC | _ADAMW | _MILDER | _NMS,
}
VARIANTS = {name: _BASELINE | trick for name, trick in _TRICKS.items()} | {"recipe": {}}
