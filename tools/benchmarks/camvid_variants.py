"""The tricks of docs/recipes_segmentation.md on CamVid, for ``tricks.py``: each alone, and all together.

    DENSEVISION_DATA=/folder/with/camvid python tools/benchmarks/tricks.py lraspp_v3_small_camvid \
        --variants tools/benchmarks/camvid_variants.py --iterations 500 --seeds 0 --out runs/camvid_tricks

The config may also be lraspp_v3_large_camvid. "baseline" and "light_lovasz_crop" have AdamW as the config, all others
Muon, which is ahead at few iterations. The crop is the third of the transforms of ``camvid`` and ``camvid_strong``.
Those that begin with "street" are for the half-size images of camvid_streets.py, with the recipe of
lraspp_v3_small_camvid_long.
"""

import runpy
from pathlib import Path

_BASES = Path(__file__).parents[2] / "configs" / "_base_"
_RARE = ["pole", "traffic sign", "fence", "person", "bicycle"]
_CROP = dict(type="densevision.ClassUniformCrop", height=288, width=384, share=0.5)
_PASTE = dict(type="densevision.PasteClass", classes=_RARE, p=0.5)
_CROSS_ENTROPY = dict(type="densevision.CrossEntropyLoss")
_LOVASZ = dict(type="densevision.LovaszSoftmaxLoss")
_RMI = dict(type="densevision.RMILoss")
_BOUNDARY = dict(type="densevision.BoundaryCrossEntropyLoss")
_MUON = {"optim_wrapper.optimizer": dict(type="densevision.MuonAdamW", lr=5e-3, weight_decay=0.02)}
_LONG_MUON = dict(type="densevision.MuonAdamW", lr=1e-2, weight_decay=0.02)
_AUXILIARY = dict(type="densevision.AuxiliaryHead", tap="c4", weight=0.4)


def _transforms(base, *, crop=False, paste=False):
    """Return the list of transforms of a base, with another crop, and with pasting in front."""
    transforms = list(runpy.run_path(str(_BASES / f"{base}.py"))["_transforms"])
    if crop:
        transforms[2] = _CROP
    return {"train_dataloader.dataset.transforms": ([_PASTE] if paste else []) + transforms}


def _own_scale(changes):
    """Give changed transforms the scale of ``camvid``, 0.75 to 1.75: val frames are about as large as these."""
    key = "train_dataloader.dataset.transforms"
    return {key: [_transforms("camvid")[key][0], *changes[key][1:]]}


def _loss(losses, weights, begins):
    return {"model.loss": dict(type="densevision.SumLoss", losses=losses, weights=weights, begins=begins)}


_LIGHT_LOVASZ_CROP = _own_scale(_transforms("camvid_strong", crop=True)) | _loss(
    [_CROSS_ENTROPY, _LOVASZ], [1, 1], [0, 0.5]
)
_WITH_MUON = {
    "lovasz": _loss([_CROSS_ENTROPY, _LOVASZ], [1, 1], [0, 0.5]),
    "rmi": _loss([_CROSS_ENTROPY, _RMI], [1, 1], [0, 0.5]),
    "boundary": _loss([_CROSS_ENTROPY, _BOUNDARY], [1, 0.5], [0, 0]),
    "ohem": {"model.loss": dict(type="densevision.OHEMCrossEntropyLoss")},
    "auxiliary": {"model.auxiliary": _AUXILIARY},
    "light": _own_scale(_transforms("camvid_strong")),
    "strong": _transforms("camvid_strong"),
    "class_crop": _transforms("camvid", crop=True),
    "paste": _transforms("camvid", paste=True),
    "no_balance": {"custom_hooks": []},
    "muon_light_lovasz_crop": _LIGHT_LOVASZ_CROP,
    "all": _transforms("camvid_strong", crop=True, paste=True)
    | _loss([_CROSS_ENTROPY, _BOUNDARY, _LOVASZ], [1, 0.5, 1], [0, 0, 0.5])
    | {"model.auxiliary": _AUXILIARY},
}

_COLORS, _RECTANGLE = dict(type="densevision.ColorTransfer"), dict(type="densevision.CutMix")
_AT_STREETS = {
    "street": [],
    "street_color_transfer": [_COLORS],
    "street_cut_mix": [_RECTANGLE],
    "street_both": [_COLORS, _RECTANGLE],
}


def _at_half_size(first):
    """Return the changes of the long recipe with half-size crops and other transforms first."""
    key = "train_dataloader.dataset.transforms"
    scale, pad, crop, *others = _LIGHT_LOVASZ_CROP[key]
    half = [scale, dict(pad, min_height=144, min_width=192), dict(crop, height=144, width=192)]
    return _LIGHT_LOVASZ_CROP | {key: [*first, *half, *others], "optim_wrapper.optimizer": _LONG_MUON}


VARIANTS = {"baseline": {}, "light_lovasz_crop": _LIGHT_LOVASZ_CROP, "muon": _MUON}
VARIANTS |= {name: changes | _MUON for name, changes in _WITH_MUON.items()}
VARIANTS |= {name: _at_half_size(first) for name, first in _AT_STREETS.items()}
