"""Tables 3, 6, 7, 8 and 9 of "Searching for MobileNetV3" as printed, with the networks that they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LARGE, SMALL = "mobilenet_v3_large", "mobilenet_v3_small"
V2, A1, V2_DENSE = "mobilenet_v2", "mnasnet_a1", "mobilenet_v2_no_last"
FULL, HALF = (1025, 2049), (513, 1025)


@dataclass(frozen=True)
class PaperRow:
    """One printed row; None is a figure that the paper does not print."""

    table: int
    row: int
    name: str
    kind: str  # "classifier", "ssdlite", "lraspp" or "raspp"
    network: Mapping[str, object]  # arguments of the backbone, and "filters" of a segmentation head
    size: tuple[int, int]  # (height, width) of the input in pixels
    params: float | None  # millions
    madds: float  # millions
    accuracy: float  # Table 3 and 9: top-1; 6: mAP; 7: mIOU val; 8: mIOU test; per cent
    latency_ms: float  # Table 3, 6 and 9: Pixel 1; 7 and 8: Pixel 3; one large core
    params_within: float  # millions: how far our count may be from the printed one
    madds_within: float  # millions
    note: str = ""  # why our count is further off

    @property
    def norm(self) -> bool:
        """Whether the printed parameters hold batch norm's gamma and beta: all tables but 6."""
        return self.table != 6

    @property
    def family(self) -> str:
        """Return the name of the unscaled network."""
        return str(self.network["name"]).removesuffix("_no_last")


_HALF_DIGIT = 0.005  # of parameters printed with two decimals


def _classifiers(table: int, rows: tuple, madds_bound: float) -> list[PaperRow]:
    """Parameters are printed with one decimal, and the small networks' MAdds in whole millions."""
    return [
        PaperRow(
            table,
            number,
            name,
            "classifier",
            dict(name=backbone, width=width),
            (size, size),
            params,
            madds,
            top1,
            latency,
            0.1,
            max(1.0, madds_bound * madds),
            *note,
        )
        for number, (name, backbone, width, size, top1, madds, params, latency, *note) in enumerate(rows, 1)
    ]


TABLE_3 = _classifiers(
    3,
    (
        # name, backbone, width, input, top-1, MAdds M, params M, Pixel 1 ms
        ("V3-Large 1.0", LARGE, 1.0, 224, 75.2, 219, 5.4, 51),
        ("V3-Large 0.75", LARGE, 0.75, 224, 73.3, 155, 4.0, 39),
        ("MnasNet-A1", A1, 1.0, 224, 75.2, 315, 3.9, 71),
        ("ProxylessNAS", "proxylessnas_mobile", 1.0, 224, 74.6, 320, 4.0, 72),
        ("V2 1.0", V2, 1.0, 224, 72.0, 300, 3.4, 64, "torchvision's and timm's V2 have 3.50 M too"),
        ("V3-Small 1.0", SMALL, 1.0, 224, 67.4, 56, 2.5, 15.8),
        ("V3-Small 0.75", SMALL, 0.75, 224, 65.4, 44, 2.0, 12.8),
        (
            "Mnas-small",
            "mnasnet_small",
            1.0,
            224,
            64.9,
            65.1,
            1.9,
            20.3,
            "the published network, timm's mnasnet_small too, differs from the printed one",
        ),
        ("V2 0.35", V2, 0.35, 224, 60.8, 59.2, 1.6, 16.6),
    ),
    0.025,
)

TABLE_9 = _classifiers(
    9,
    tuple(
        (f"V3-{'Large' if backbone == LARGE else 'Small'} {size}/{width}", backbone, width, size, *printed)
        for backbone, size, width, *printed in (
            # backbone, input, width, top-1, MAdds M, params M, Pixel 1 ms
            (LARGE, 224, 1.25, 76.6, 356, 7.5, 77.0),
            (LARGE, 224, 1.0, 75.2, 217, 5.4, 51.2),
            (LARGE, 224, 0.75, 73.3, 155, 4.0, 39.8),
            (LARGE, 224, 0.5, 68.8, 69, 2.6, 21.7),
            (LARGE, 224, 0.35, 64.2, 40, 2.2, 15.1),
            (LARGE, 256, 1.0, 76.0, 282, 5.4, 65.6),
            (LARGE, 192, 1.0, 73.7, 160, 5.4, 38.0),
            (LARGE, 160, 1.0, 71.7, 112, 5.4, 27.8),
            (LARGE, 128, 1.0, 68.4, 73, 5.4, 17.8),
            (LARGE, 96, 1.0, 63.3, 43, 5.4, 12.5),
            (SMALL, 224, 1.25, 70.4, 91, 3.6, 23.6),
            (SMALL, 224, 1.0, 67.5, 57, 2.5, 15.8),
            (SMALL, 224, 0.75, 65.4, 44, 2.0, 12.8),
            (SMALL, 224, 0.5, 58.0, 21, 1.6, 7.7),
            (SMALL, 224, 0.35, 49.8, 12, 1.4, 5.7),
            (SMALL, 256, 1.0, 68.5, 74, 2.5, 20.0),
            (SMALL, 160, 1.0, 62.8, 30, 2.5, 8.6),
            (SMALL, 128, 1.0, 57.3, 20, 2.5, 5.8),
            (SMALL, 96, 1.0, 51.7, 12, 2.5, 4.4),
        )
    ),
    0.02,
)

TABLE_6 = [
    PaperRow(
        6,
        number,
        name,
        "ssdlite",
        dict(name=backbone, width=width, reduced_tail=tail),
        (320, 320),
        params,
        madds,
        ap,
        latency,
        _HALF_DIGIT if "v3" in backbone else 0.015 * params,
        (0.05 if name == "V2 0.35" else 0.025) * madds,
        *note,
    )
    for number, (name, backbone, width, tail, ap, latency, params, madds, *note) in enumerate(
        (
            # name, backbone, width, tail, mAP, Pixel 1 ms, params M, MAdds M
            (
                "V1",
                "mobilenet_v1",
                1.0,
                None,
                22.2,
                228,
                5.1,
                1300,
                "the 5.1 M fit 81 class columns (5.06 M); all other rows have 91",
            ),
            (
                "V2",
                V2,
                1.0,
                None,
                22.1,
                162,
                4.3,
                800,
                "the 4.3 M fit 81 class columns (4.29 M); all other rows have 91",
            ),
            ("MnasNet-A1", A1, 1.0, None, 23.0, 174, 4.88, 840),
            ("V3-Large", LARGE, 1.0, None, 22.0, 137, 4.97, 620),
            ("V3-Large halved", LARGE, 1.0, "detection", 22.0, 119, 3.22, 510),
            ("V2 0.35", V2, 0.35, None, 13.7, 66, 0.93, 160),
            ("V2 0.5", V2, 0.5, None, 16.6, 79, 1.54, 270),
            ("MnasNet 0.35", A1, 0.35, None, 15.6, 68, 1.02, 180),
            ("MnasNet 0.5", A1, 0.5, None, 18.5, 85, 1.68, 290),
            ("V3-Small", SMALL, 1.0, None, 16.0, 52, 2.49, 210),
            ("V3-Small halved", SMALL, 1.0, "detection", 16.1, 43, 1.77, 160),
        ),
        1,
    )
]

TABLE_7 = [
    PaperRow(
        7,
        number,
        name,
        head,
        dict(name=backbone, width=width, reduced_tail=tail, output_stride=16, filters=filters),
        FULL,
        params,
        madds,
        miou,
        latency,
        _HALF_DIGIT if "v3" in backbone else 0.015 * params,
        (0.05 if backbone == SMALL else 0.025) * madds,
        *note,
    )
    for number, (name, backbone, width, tail, head, filters, miou, params, madds, latency, *note) in enumerate(
        (
            # name, backbone, width, RF2, head, F, mIOU val, params M, MAdds M, full-resolution ms
            ("V2 R-ASPP", V2_DENSE, 1.0, None, "raspp", 256, 72.84, 2.11, 21290, 3900),
            ("V2 RF2 R-ASPP", V2_DENSE, 1.0, "segmentation", "raspp", 256, 72.56, 1.15, 13680, 3030),
            ("V2 RF2 LR-ASPP", V2_DENSE, 1.0, "segmentation", "lraspp", 256, 72.97, 1.02, 12830, 2980),
            ("V2 RF2 LR-ASPP 128", V2_DENSE, 1.0, "segmentation", "lraspp", 128, 72.74, 0.98, 12570, 2890),
            ("V3 R-ASPP", LARGE, 1.0, None, "raspp", 256, 72.64, 3.60, 18430, 3550),
            ("V3 RF2 R-ASPP", LARGE, 1.0, "segmentation", "raspp", 256, 71.91, 1.76, 11240, 2600),
            ("V3 RF2 LR-ASPP", LARGE, 1.0, "segmentation", "lraspp", 256, 72.37, 1.63, 10330, 2550),
            ("V3 RF2 LR-ASPP 128", LARGE, 1.0, "segmentation", "lraspp", 128, 72.36, 1.51, 9740, 2470),
            ("V2 0.5 RF2 LR-ASPP 128", V2_DENSE, 0.5, "segmentation", "lraspp", 128, 68.57, 0.28, 4000, 1590),
            (
                "V2 0.35 RF2 LR-ASPP 128",
                V2_DENSE,
                0.35,
                "segmentation",
                "lraspp",
                128,
                66.83,
                0.16,
                2540,
                1270,
                "the V2 rows fit without the class layers: 0.164 M here",
            ),
            ("V3-Small RF2 LR-ASPP 128", SMALL, 1.0, "segmentation", "lraspp", 128, 68.38, 0.47, 2900, 1210),
        ),
        1,
    )
]

TABLE_8 = [
    PaperRow(
        8,
        number,
        f"{name}, {'full' if size == FULL else 'half'}",
        "lraspp",
        dict(name=backbone, reduced_tail="segmentation", output_stride=stride, filters=128),
        size,
        None,
        madds[size == HALF],
        miou,
        latency[size == HALF],
        0.0,
        (0.05 if backbone == SMALL else 0.025) * madds[size == HALF],
        *(note if size == HALF else ()),
    )
    for number, (name, backbone, stride, miou, madds, latency, *note) in enumerate(
        (
            # name, backbone, output stride, mIOU test, MAdds M full and half, ms full and half
            ("V3-Large OS16", LARGE, 16, 72.6, (9740, 2480), (2470, 657)),
            (
                "V3-Large OS32",
                LARGE,
                32,
                72.0,
                (7740, 1980),
                (2060, 534),
                "the paper counts h-swish, gates, sums and resizing too: 1.972 B with them",
            ),
            ("V3-Small OS16", SMALL, 16, 69.4, (2900, 740), (1210, 327)),
            (
                "V3-Small OS32",
                SMALL,
                32,
                68.3,
                (2060, 530),
                (1030, 275),
                "the paper counts h-swish, gates, sums and resizing too: 0.526 B with them",
            ),
        ),
        1,
    )
    for size in (FULL, HALF)
]

TABLES = {3: TABLE_3, 6: TABLE_6, 7: TABLE_7, 8: TABLE_8, 9: TABLE_9}
