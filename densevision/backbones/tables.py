"""Tables 1 and 2 of "Searching for MobileNetV3" as data, and the registry of backbones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from densevision.backbones import baselines
from densevision.backbones.spec import BackboneSpec, Block, minimalistic, original_last_stage, wide_stem, without_se
from densevision.errors import did_you_mean

LARGE = BackboneSpec(
    stem=16,
    stem_act="hswish",
    blocks=(
        # kernel, exp size, #out, SE, NL, stride
        Block(3, 16, 16, False, "relu", 1),
        Block(3, 64, 24, False, "relu", 2),
        Block(3, 72, 24, False, "relu", 1),
        Block(5, 72, 40, True, "relu", 2),
        Block(5, 120, 40, True, "relu", 1),
        Block(5, 120, 40, True, "relu", 1),  # c3
        Block(3, 240, 80, False, "hswish", 2),
        Block(3, 200, 80, False, "hswish", 1),
        Block(3, 184, 80, False, "hswish", 1),
        Block(3, 184, 80, False, "hswish", 1),
        Block(3, 480, 112, True, "hswish", 1),
        Block(3, 672, 112, True, "hswish", 1),
        Block(5, 672, 160, True, "hswish", 2),  # c4: its expansion
        Block(5, 960, 160, True, "hswish", 1),
        Block(5, 960, 160, True, "hswish", 1),
    ),
    last=960,
    c3=5,
    c4=12,
    source="Howard et al. 2019, Table 1",
    hidden=1280,
)

# Table 2 prints an SE mark at the last 1x1 convolution; the authors' release and its 2.5 M parameters have none.
SMALL = BackboneSpec(
    stem=16,
    stem_act="hswish",
    blocks=(
        # kernel, exp size, #out, SE, NL, stride
        Block(3, 16, 16, True, "relu", 2),
        Block(3, 72, 24, False, "relu", 2),
        Block(3, 88, 24, False, "relu", 1),  # c3
        Block(5, 96, 40, True, "hswish", 2),
        Block(5, 240, 40, True, "hswish", 1),
        Block(5, 240, 40, True, "hswish", 1),
        Block(5, 120, 48, True, "hswish", 1),
        Block(5, 144, 48, True, "hswish", 1),
        Block(5, 288, 96, True, "hswish", 2),  # c4: its expansion
        Block(5, 576, 96, True, "hswish", 1),
        Block(5, 576, 96, True, "hswish", 1),
    ),
    last=576,
    c3=2,
    c4=8,
    source="Howard et al. 2019, Table 2",
    hidden=1024,
    widen_hidden=True,  # at width 1.25 the parameters of Table 9 fit 1280 channels here, and 1280 in Large too
)

# torchvision's LR-ASPP (lraspp.py) departs from the paper in its low-level tap and in one dilation.
LARGE_LRASPP_TORCHVISION = replace(
    LARGE, c3=3, c3_from="output", dilate_strided=True, source="torchvision, lraspp_mobilenet_v3_large"
)

Builder = Callable[..., Any]  # keyword arguments -> a ``TappedNetwork``
BACKBONES: dict[str, BackboneSpec | Builder] = {
    "mobilenet_v1": baselines.MOBILENET_V1,
    "mobilenet_v2": baselines.MOBILENET_V2,
    "mobilenet_v2_no_last": baselines.MOBILENET_V2_NO_LAST,
    "mnasnet_a1": baselines.MNASNET_A1,
    "mnasnet_small": baselines.MNASNET_SMALL,
    "proxylessnas_mobile": baselines.PROXYLESSNAS_MOBILE,
    "mobilenet_v3_large": LARGE,
    "mobilenet_v3_small": SMALL,
    "mobilenet_v3_large_minimalistic": minimalistic(LARGE),
    "mobilenet_v3_small_minimalistic": minimalistic(SMALL),
    "mobilenet_v3_large_no_se": without_se(LARGE),
    "mobilenet_v3_small_no_se": without_se(SMALL),
    "mobilenet_v3_large_original_last": original_last_stage(LARGE),
    "mobilenet_v3_large_wide_stem": wide_stem(LARGE),
    "mobilenet_v3_small_fixed_stem": replace(SMALL, scale_stem=False, source="timm, mobilenetv3_small_050"),
    "mobilenet_v3_large_lraspp_torchvision": LARGE_LRASPP_TORCHVISION,
}


def register_backbone(name: str, backbone: BackboneSpec | Builder) -> None:
    """Register a backbone for ``build_backbone`` and for configs.

    Args:
        name: the new name.
        backbone: a table; or a function that returns a ``TappedNetwork`` for the keys of the config's ``backbone``
            other than ``name``, ``frozen_stages`` and ``freeze_norm_statistics``.
    Raises:
        ValueError: the name is taken.
    """
    if name in BACKBONES:
        raise ValueError(f"backbone {name!r} is already registered")
    BACKBONES[name] = backbone


def find_spec(name: str) -> BackboneSpec:
    """Return a registered table.

    Raises:
        ValueError: unknown name, or a backbone that is not a table.
    """
    found = find_backbone(name)
    if not isinstance(found, BackboneSpec):
        raise ValueError(f"backbone {name!r} is not a table")
    return found


def find_backbone(name: str) -> BackboneSpec | Builder:
    """Return a registered table or builder.

    Raises:
        ValueError: unknown name; the message lists the registered ones.
    """
    if name not in BACKBONES:
        hint = f"{did_you_mean(name, BACKBONES)} registered are".strip()
        raise ValueError(f"unknown backbone {name!r}; {hint} {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name]
