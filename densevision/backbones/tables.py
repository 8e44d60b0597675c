"""Tables 1 and 2 of "Searching for MobileNetV3" as data, and the registry of backbones."""

from densevision.backbones.spec import BackboneSpec, Block

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
)

BACKBONES: dict[str, BackboneSpec] = {"mobilenet_v3_large": LARGE, "mobilenet_v3_small": SMALL}


def register_backbone(name: str, spec: BackboneSpec) -> None:
    """Make a table known to ``build_backbone`` and to configs under a new name.

    Raises:
        ValueError: the name is taken.
    """
    if name in BACKBONES:
        raise ValueError(f"backbone {name!r} is already registered")
    BACKBONES[name] = spec
