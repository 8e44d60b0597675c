"""The networks that the paper compares with, as data: MobileNetV1, V2, MnasNet and ProxylessNAS."""

from collections.abc import Sequence
from dataclasses import replace

from densevision.backbones.spec import Activation, BackboneSpec, Block

Stage = tuple[int, int, int, int, bool, int]  # kernel, expansion ratio, #out, repeats, SE, first stride


def _bottlenecks(stem: int, act: Activation, stages: Sequence[Stage], *, c3: int, c4: int, source: str) -> BackboneSpec:
    """Build a table from stages; expansions and squeeze-and-excite are relative to a block's input channels."""
    blocks, in_channels = [], stem
    for kernel, ratio, out, repeats, se, stride in stages:
        for repeat in range(repeats):
            first = stride if repeat == 0 else 1
            blocks.append(Block(kernel, in_channels * ratio, out, "input" if se else False, act, first))
            in_channels = out
    return BackboneSpec(stem=stem, stem_act=act, blocks=tuple(blocks), last=1280, c3=c3, c4=c4, source=source)


MOBILENET_V1 = BackboneSpec(
    stem=32,
    stem_act="relu6",
    blocks=tuple(
        # input channels, #out, stride
        Block(3, channels, out, False, "relu6", stride, separable=True)
        for channels, out, stride in (
            (32, 64, 1),
            (64, 128, 2),
            (128, 128, 1),
            (128, 256, 2),
            (256, 256, 1),  # c3
            (256, 512, 2),
            *[(512, 512, 1)] * 5,  # c4: the last of them, "conv 11"
            (512, 1024, 2),
            (1024, 1024, 1),  # c5, "conv 13"
        )
    ),
    last=None,
    c3=4,
    c4=10,
    c4_from="output",
    source="Howard et al. 2017, Table 1",
)

MOBILENET_V2 = replace(
    _bottlenecks(
        32,
        "relu6",
        (
            (3, 1, 16, 1, False, 1),
            (3, 6, 24, 2, False, 2),
            (3, 6, 32, 3, False, 2),
            (3, 6, 64, 4, False, 2),
            (3, 6, 96, 3, False, 1),
            (3, 6, 160, 3, False, 2),
            (3, 6, 320, 1, False, 1),
        ),
        c3=5,
        c4=13,
        source="Sandler et al. 2018, Table 2",
    ),
    halve_c4_expansion=False,
)

# In segmentation C5 is the 320-channel layer (Howard et al. 2019, section 6.4).
MOBILENET_V2_NO_LAST = replace(MOBILENET_V2, last=None)

MNASNET_A1 = _bottlenecks(
    32,
    "relu",
    (
        (3, 1, 16, 1, False, 1),
        (3, 6, 24, 2, False, 2),
        (5, 3, 40, 3, True, 2),
        (3, 6, 80, 4, False, 2),
        (3, 6, 112, 2, True, 1),
        (5, 6, 160, 3, True, 2),
        (3, 6, 320, 1, False, 1),
    ),
    c3=5,
    c4=12,
    source="Tan et al. 2019, Figure 7",
)

MNASNET_SMALL = _bottlenecks(
    8,
    "relu",
    (
        (3, 1, 8, 1, False, 1),
        (3, 3, 16, 1, False, 2),
        (3, 6, 16, 2, False, 2),
        (5, 6, 32, 4, True, 2),
        (3, 6, 32, 3, True, 1),
        (5, 6, 88, 3, True, 2),
        (3, 6, 144, 1, False, 1),
    ),
    c3=3,
    c4=11,
    source="the authors' release of MnasNet, small",
)

PROXYLESSNAS_MOBILE = _bottlenecks(
    32,
    "relu6",
    (
        (3, 1, 16, 1, False, 1),
        (5, 3, 32, 1, False, 2),
        (3, 3, 32, 1, False, 1),
        (7, 3, 40, 1, False, 2),
        (3, 3, 40, 1, False, 1),
        (5, 3, 40, 2, False, 1),
        (7, 6, 80, 1, False, 2),
        (5, 3, 80, 3, False, 1),
        (5, 6, 96, 1, False, 1),
        (5, 3, 96, 3, False, 1),
        (7, 6, 192, 2, False, 2),
        (7, 3, 192, 2, False, 1),
        (7, 6, 320, 1, False, 1),
    ),
    c3=6,
    c4=15,
    source="Cai et al. 2019, Figure 4",
)
