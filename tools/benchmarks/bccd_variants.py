"""The tricks of docs/recipes.md on BCCD, for ``tricks.py``: each alone, and together.

    DENSEVISION_DATA=/folder/with/bccd python tools/benchmarks/tricks.py ssdlite_v3_small_reduced_bccd \
        --variants tools/benchmarks/bccd_variants.py --iterations 1500 --seeds 0 --out runs/bccd_tricks
"""

import runpy
from pathlib import Path

from torch.optim import AdamW

_MOSAIC = dict(type="densevision.BoxMosaic", p=0.5, scale=(0.5, 1.5))
_MIXUP = dict(type="densevision.BoxMixUp", p=0.15)
_PASTE = dict(type="densevision.BoxCopyPaste", p=0.5)
_GIOU = {"model.box_loss": dict(type="densevision.IoULoss", kind="giou", weight=2.0)}
_QUALITY = {"model.loss": dict(type="densevision.QualityFocalLoss")}
_DYNAMIC = {"model.assigner": dict(type="densevision.DynamicAssigner", topk=13)}
_ADAMW = {"optim_wrapper.optimizer": dict(type=AdamW, lr=2e-3, weight_decay=0.05)}
_MILD_MOSAIC = dict(_MOSAIC, scale=(0.8, 1.25))
_NMS = {"model.postprocess": dict(iou_threshold=0.7)}


def _milder():
    """Return the transforms of ``bccd`` with a crop and an expansion that change the cells' size by a third."""
    base = runpy.run_path(str(Path(__file__).parents[2] / "configs" / "_base_" / "bccd.py"))
    expand, crop, *others = base["train_dataloader"]["dataset"]["transforms"]
    return {
        "train_dataloader.dataset.transforms": [dict(expand, max_ratio=1.3), dict(crop, min_side=0.7), *others],
    }


def _mix(*mixes):
    return {"train_dataloader.dataset.mix": list(mixes)}


VARIANTS = {
    "baseline": {},
    "dynamic": _GIOU | _QUALITY | _DYNAMIC,
    "mosaic": _mix(_MOSAIC),
    "giou": _GIOU,
    "adamw": _ADAMW,
    "quality": _QUALITY,
    "paste": _mix(_PASTE),
    "mixup": _mix(_MIXUP),
    "milder": _milder(),
    "nms": _NMS,
    "adamw_paste": _mix(_PASTE) | _ADAMW,
    "adamw_paste_mosaic": _mix(_MOSAIC, _PASTE) | _ADAMW,
    "adamw_paste_milder": _mix(_PASTE) | _ADAMW | _milder(),
    "adamw_paste_milder_mosaic": _mix(_MILD_MOSAIC, _PASTE) | _ADAMW | _milder(),
    "adamw_paste_milder_mosaic_nms": _mix(_MILD_MOSAIC, _PASTE) | _ADAMW | _milder() | _NMS,
    "all": _mix(_MOSAIC, _MIXUP, _PASTE) | _GIOU | _QUALITY | _DYNAMIC | _ADAMW,
}
