"""Count the network of a printed row and compare it with the paper."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from densevision.backbones.classifier import Classifier
from densevision.complexity import count_layers, total_madds, total_params
from densevision.detection.model import SSDLite
from densevision.paper.tables import PaperRow
from densevision.segmentation.comparison import NETWORKS
from densevision.segmentation.head import LRASPPHead, RASPPHead
from densevision.segmentation.model import Segmentor

HEADS = {"lraspp": LRASPPHead, "raspp": RASPPHead}
OK, DOCUMENTED, MISMATCH = "ok", "documented", "mismatch"  # verdicts


@dataclass(frozen=True)
class Comparison:
    """A printed row and our counts, in millions."""

    row: PaperRow
    params: float
    madds: float

    @property
    def params_agree(self) -> bool:
        """Whether the parameters are within the tolerance, or the paper prints none."""
        printed = self.row.params
        return printed is None or abs(self.params - printed) <= self.row.params_within

    @property
    def madds_agree(self) -> bool:
        """Whether the multiply-adds are within the tolerance."""
        return abs(self.madds - self.row.madds) <= self.row.madds_within

    @property
    def verdict(self) -> str:
        """``OK`` within both bounds; ``DOCUMENTED`` if the row's note explains the deviation; else ``MISMATCH``."""
        if self.params_agree and self.madds_agree:
            return OK
        return DOCUMENTED if self.row.note else MISMATCH


def build_row(row: PaperRow) -> nn.Module:
    """Build the network of a row."""
    return build_classifier(row) if row.kind == "classifier" else build_dense(row)


def build_classifier(row: PaperRow) -> Classifier:
    """Build the network of a classification row, with 1001 ImageNet classes for V3 and 1000 for others."""
    network = dict(row.network)
    name = network.pop("name")
    return Classifier(name, num_classes=1001 if "v3" in name else 1000, **network)


def build_dense(row: PaperRow) -> nn.Module:
    """Build the network of a detection row with 90 COCO ids, or of a segmentation row with 19 classes.

    The other systems of Table 8 count the background as a twentieth class.
    """
    network = dict(row.network)
    if row.kind == "ssdlite":
        return SSDLite(network, num_classes=90, input_size=row.size)
    if row.kind == "comparison":
        _, decoder = NETWORKS[row.family]
        return Segmentor(network, dict(type=decoder), num_classes=20)
    head = dict(type=HEADS[row.kind], filters=network.pop("filters"))
    if row.kind == "lraspp":
        head["align_corners"] = True  # as the authors' release, for which a side is a multiple of 32 plus one
    return Segmentor(network, head, num_classes=19)


def compare_row(row: PaperRow) -> Comparison:
    """Count the network of a row at its input size."""
    with torch.device("meta"):
        model = build_row(row)
    counts = count_layers(model, row.size)
    madds = total_madds(counts, transposed=row.transposed)
    return Comparison(row, total_params(counts, norm=row.norm) / 1e6, madds / 1e6)
