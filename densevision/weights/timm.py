"""Names, shapes and settings of timm's ImageNet classifiers."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import Any

from densevision.backbones import BackboneSpec, Classifier
from densevision.backbones.tables import find_spec
from densevision.checkpoints.files import first_line, read_tensors
from densevision.errors import UserError
from densevision.weights.source import IMAGENET, Scaling, Source, Tensors, rename_prefix

_TIMM: dict[str, Any] = dict(bn_eps=1e-5)
_TENSORFLOW: dict[str, Any] = dict(bn_eps=1e-3, padding="same")  # the tf_ networks have weights of the authors' release


def renaming(spec: BackboneSpec) -> dict[str, str]:
    """Map timm's modules to ours.

    timm numbers the blocks of each stage, and a stage is a run of blocks with the same output width in the table. In
    a block without expansion, conv_pw is the projection and the numbers of the norms start one layer later.
    """
    table = {"conv_stem": "backbone.stem.0", "bn1": "backbone.stem.1", "classifier": "head.1"}
    index = 0
    for stage, (_, run) in enumerate(groupby(block.out for block in spec.blocks)):
        for position in range(len(list(run))):
            table |= _block(f"blocks.{stage}.{position}", f"backbone.blocks.{index}", expands=index > 0)
            index += 1
    if spec.hidden:  # V3: the last convolution is one more stage, conv_head the layer after the pooling
        last = {f"blocks.{stage + 1}.0.conv": "backbone.last.0", f"blocks.{stage + 1}.0.bn1": "backbone.last.1"}
        return table | last | {"conv_head": "head.0", "classifier": "head.3"}
    return table | {"conv_head": "backbone.last.0", "bn2": "backbone.last.1"}


def _block(theirs: str, ours: str, *, expands: bool) -> dict[str, str]:
    convolutions = dict(conv_pw="expansion", conv_dw="depthwise", conv_pwl="projection")
    if not expands:
        convolutions = dict(conv_dw="depthwise", conv_pw="projection")
    table = {f"{theirs}.se.conv_reduce": f"{ours}.se.reduce", f"{theirs}.se.conv_expand": f"{ours}.se.expand"}
    for number, (convolution, stage) in enumerate(convolutions.items(), start=1):
        table |= {f"{theirs}.{convolution}": f"{ours}.{stage}.0", f"{theirs}.bn{number}": f"{ours}.{stage}.1"}
    return table


def download(name: str, tag: str) -> Tensors:
    """Download weights with timm; ``tag`` as in "mobilenetv3_large_100.ra_in1k", "" for the default.

    Raises:
        UserError: timm is not installed, has no such tag, or can't download it.
    """
    try:
        import timm
    except ImportError as error:
        raise UserError(f"timm:{name} needs the package timm: pip install timm") from error
    try:
        return timm.create_model(f"{name}.{tag}" if tag else name, pretrained=True).state_dict()
    except Exception as error:  # timm documents no list of its exceptions
        reason = first_line(error)
        raise UserError(f"timm can't download {name}: {reason}; give a file and --model timm:{name}") from error


def _source(name: str, backbone: str, width: float = 1.0) -> Source:
    from_tensorflow = name.startswith("tf_")
    settings = _TENSORFLOW if from_tensorflow else _TIMM
    return Source(
        network=partial(Classifier, backbone, width=width, num_classes=1000, **settings),
        rename=partial(rename_prefix, table=renaming(find_spec(backbone))),
        read=read_tensors,
        download=partial(download, name),
        scaling=Scaling() if from_tensorflow else IMAGENET,
    )


SOURCES = {
    name: _source(name, *network)
    for name, *network in (
        ("mobilenetv3_large_100", "mobilenet_v3_large"),
        ("mobilenetv3_small_100", "mobilenet_v3_small"),
        ("mobilenetv3_small_075", "mobilenet_v3_small", 0.75),
        ("mobilenetv3_small_050", "mobilenet_v3_small_fixed_stem", 0.5),
        ("tf_mobilenetv3_large_100", "mobilenet_v3_large"),
        ("tf_mobilenetv3_large_075", "mobilenet_v3_large", 0.75),
        ("tf_mobilenetv3_large_minimal_100", "mobilenet_v3_large_minimalistic"),
        ("tf_mobilenetv3_small_100", "mobilenet_v3_small"),
        ("tf_mobilenetv3_small_075", "mobilenet_v3_small", 0.75),
        ("tf_mobilenetv3_small_minimal_100", "mobilenet_v3_small_minimalistic"),
        ("mobilenetv2_100", "mobilenet_v2"),
        ("semnasnet_100", "mnasnet_a1"),
    )
}
