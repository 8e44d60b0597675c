"""Names, shapes and settings of torchvision's classifiers, its SSDLite and its LR-ASPP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torchvision.models as models
from torch import nn
from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights

from densevision.backbones import BackboneSpec, Classifier
from densevision.backbones.tables import find_spec
from densevision.checkpoints.files import first_line, read_tensors
from densevision.detection.loss import SoftmaxLoss
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.weights.source import IMAGENET, Source, Tensors, label_meta, rename_prefix


def v2_renaming(spec: BackboneSpec) -> dict[str, str]:
    """Map the modules of torchvision's MobileNetV2 to ours; the first block has no expansion."""
    table = {"features.0": "backbone.stem", f"features.{len(spec.blocks) + 1}": "backbone.last"}
    for index in range(len(spec.blocks)):
        layers = ["expansion", "depthwise", "projection.0", "projection.1"][0 if index else 1 :]
        for number, layer in enumerate(layers):
            table[f"features.{index + 1}.conv.{number}"] = f"backbone.blocks.{index}.{layer}"
    return table | {"classifier.1": "head.1"}


def v3_renaming(spec: BackboneSpec, layer: Callable[[int], str] = "features.{}".format) -> dict[str, str]:
    """Map the modules of torchvision's MobileNetV3 to ours.

    Args:
        spec: table of the network; the modules of a block are numbered without those that it lacks.
        layer: number of a layer (stem 0, blocks from 1, then the last convolution) -> its name.
    """
    table = {layer(0): "backbone.stem", layer(len(spec.blocks) + 1): "backbone.last"}
    channels = spec.stem
    for index, block in enumerate(spec.blocks):
        expansion = ["expansion"] if block.expand != channels else []
        se = ["se"] if block.se else []
        for number, stage in enumerate([*expansion, "depthwise", *se, "projection"]):
            theirs, ours = f"{layer(index + 1)}.block.{number}", f"backbone.blocks.{index}.{stage}"
            table |= {theirs: ours, f"{theirs}.fc1": f"{ours}.reduce", f"{theirs}.fc2": f"{ours}.expand"}
        channels = block.out
    return table | {"classifier.0": "head.0", "classifier.3": "head.3"}


def ssdlite_renaming(spec: BackboneSpec) -> dict[str, str]:
    """Map the modules of torchvision's SSDLite, which splits its backbone after the expansion of C4, to ours."""
    cut = spec.c4 + 1  # number of the C4 layer

    def layer(number: int) -> str:
        return f"backbone.features.0.{number}" if number < cut else f"backbone.features.1.{number - cut}"

    c4, ours = layer(cut), f"backbone.blocks.{spec.c4}"
    return v3_renaming(spec, layer) | {
        f"backbone.features.0.{cut}": f"{ours}.expansion",
        f"{c4}.1": f"{ours}.depthwise",
        f"{c4}.2.fc1": f"{ours}.se.reduce",
        f"{c4}.2.fc2": f"{ours}.se.expand",
        f"{c4}.3": f"{ours}.projection",
        "backbone.extra": "extra",
        "head.classification_head.module_list": "head.classify",
        "head.regression_head.module_list": "head.regress",
    }


def lraspp_renaming(spec: BackboneSpec) -> dict[str, str]:
    """Map the modules of torchvision's LR-ASPP to ours."""
    return v3_renaming(spec, "backbone.{}".format) | {
        "classifier.cbr": "head.project",
        "classifier.scale.1": "head.gate",
        "classifier.low_classifier": "head.low_logits",
        "classifier.high_classifier": "head.high_logits",
    }


def ssdlite() -> nn.Module:
    """Build our network for the COCO_V1 weights of ssdlite320_mobilenet_v3_large."""
    return SSDLite(
        backbone=dict(name="mobilenet_v3_large", reduced_tail="detection"),
        num_classes=90,
        anchors=dict(lowest=None),
        loss=dict(type=SoftmaxLoss),
    )


def lraspp() -> nn.Module:
    """Build our network for lraspp_mobilenet_v3_large."""
    return Segmentor(
        backbone=dict(name="mobilenet_v3_large_lraspp_torchvision", output_stride=16),
        num_classes=21,
        head=dict(type=LRASPPHead, pooling="global", gate="sigmoid", bn_eps=1e-5, stretch=True),
    )


def coco_classes() -> dict:
    """Return the names of the 90 class columns; without a category "N/A <id>", as in ``CocoDataset``."""
    names = SSDLite320_MobileNet_V3_Large_Weights.COCO_V1.meta["categories"]
    return dict(classes=[f"N/A {i}" if name == "N/A" else name for i, name in enumerate(names)][1:])


def voc_classes() -> dict:
    """Return names and colors of the 21 class columns of the segmentation model."""
    names = LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"]
    return label_meta({name: label_id for label_id, name in enumerate(names)})


def download(name: str, tag: str) -> Tensors:
    """Download weights with torchvision; ``tag`` as in "IMAGENET1K_V1", "" for the default.

    Raises:
        UserError: torchvision has no such tag, or can't download it.
    """
    known = models.get_model_weights(name)
    if tag and tag not in known.__members__:
        raise UserError(f"torchvision:{name}.{tag}: torchvision has {', '.join(known.__members__)}")
    weights = known[tag or "DEFAULT"]
    try:
        return weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except Exception as error:  # torchvision documents no list of its exceptions
        raise UserError(
            f"torchvision can't download {weights.url}: {first_line(error)}; give a file and --model torchvision:{name}"
        ) from error


def _source(name: str, network: Callable[[], nn.Module], table: dict[str, str]) -> Source:
    return Source(
        network=network,
        rename=partial(rename_prefix, table=table),
        read=read_tensors,
        download=partial(download, name),
    )


def _classifier(name: str, renaming: Callable[[BackboneSpec], dict[str, str]], bn_eps: float) -> Source:
    network = partial(Classifier, name, num_classes=1000, bn_eps=bn_eps)
    return replace(_source(name, network, renaming(find_spec(name))), scaling=IMAGENET)


_LARGE = find_spec("mobilenet_v3_large")

SOURCES = {
    "mobilenet_v2": _classifier("mobilenet_v2", v2_renaming, 1e-5),
    "mobilenet_v3_large": _classifier("mobilenet_v3_large", v3_renaming, 1e-3),
    "mobilenet_v3_small": _classifier("mobilenet_v3_small", v3_renaming, 1e-3),
    "ssdlite320_mobilenet_v3_large": replace(
        _source("ssdlite320_mobilenet_v3_large", ssdlite, ssdlite_renaming(_LARGE)), dataset_meta=coco_classes
    ),
    "lraspp_mobilenet_v3_large": replace(
        _source("lraspp_mobilenet_v3_large", lraspp, lraspp_renaming(_LARGE)),
        scaling=IMAGENET,
        dataset_meta=voc_classes,
    ),
}
