"""The widths of a network that can be narrowed, by name, and the config that states them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from densevision.backbones import Backbone, BackboneSpec
from densevision.backbones.spec import explicit, spec_to_plain
from densevision.config.load import Config, complete_config
from densevision.detection.head import ExtraLayers, SSDLiteHead
from densevision.errors import UserError
from densevision.segmentation.head import LRASPPHead, RASPPHead

LAST, FILTERS, STEM = "last", "filters", "stem"


@dataclass(frozen=True)
class Shape:
    """A network up to its channels.

    Attributes:
        spec: the table, ``explicit``.
        extras: (middle, output) channels of a detector's extra maps.
        filters: of a segmentation head; None in a detector.
    """

    spec: BackboneSpec
    extras: tuple[tuple[int, int], ...] = ()
    filters: int | None = None


def streams(spec: BackboneSpec) -> list[str]:
    """Name the channels that enter each block, and last those that leave the last: residuals keep the name."""
    names = [STEM]
    for index, block in enumerate(spec.blocks):
        names.append(names[-1] if block.residual else f"out{index}")
    return names


def inner(spec: BackboneSpec, index: int) -> str:
    """Name the channels that a block filters: its expansion's, or without one those that enter it."""
    return f"expand{index}" if spec.blocks[index].expansion else streams(spec)[index]


def squeeze(index: int) -> str:
    """Name the channels inside a block's gate."""
    return f"squeeze{index}"


def extra(index: int) -> tuple[str, str]:
    """Name the middle and the output channels of an extra map."""
    return f"extra{index}.middle", f"extra{index}.out"


def tap(spec: BackboneSpec, name: str) -> str:
    """Name the channels of a tap: "c3", "c4" or "c5"."""
    after = streams(spec)[1:]
    if name == "c3":
        return after[spec.c3] if spec.c3_from == "output" else inner(spec, spec.c3)
    if name == "c4":
        return after[spec.c4] if spec.c4_from == "output" else inner(spec, spec.c4)
    return LAST if spec.last else after[-1]


def widths(shape: Shape) -> dict[str, int]:
    """Return the channels by name."""
    spec, found = shape.spec, {STEM: shape.spec.stem}
    for index, (block, after) in enumerate(zip(spec.blocks, streams(spec)[1:], strict=True)):
        found |= {inner(spec, index): block.expand, after: block.out}
        found |= {squeeze(index): block.squeezed} if block.squeezed else {}
    found |= {LAST: spec.last} if spec.last else {}
    for index, pair in enumerate(shape.extras):
        found |= dict(zip(extra(index), pair, strict=True))
    return found | ({FILTERS: shape.filters} if shape.filters else {})


def with_widths(shape: Shape, new: Mapping[str, int]) -> Shape:
    """Return a shape with other channels; the structure stays.

    Args:
        new: name of ``widths`` -> channels; what is left out keeps them.
    """
    spec, all_widths = shape.spec, {**widths(shape), **new}
    blocks = tuple(
        replace(
            block,
            expand=all_widths[inner(spec, index)],
            out=all_widths[after],
            squeezed=all_widths.get(squeeze(index)),
        )
        for index, (block, after) in enumerate(zip(spec.blocks, streams(spec)[1:], strict=True))
    )
    narrowed = replace(spec, stem=all_widths[STEM], blocks=blocks, last=all_widths.get(LAST))
    pairs = (extra(index) for index in range(len(shape.extras)))
    extras = tuple((all_widths[middle], all_widths[out]) for middle, out in pairs)
    return Shape(narrowed, extras, all_widths.get(FILTERS))


def shape_of(model: Any, config: Config) -> Shape:
    """Return the shape of a config's model.

    Raises:
        UserError: a part of it is not one of the package's own, so that nothing is known of its channels.
    """
    stated = config.model.backbone
    if not isinstance(model.backbone, Backbone):
        raise UserError(f"{config.filename}: backbone {stated.name!r} is not a table; adapt narrows the tables only")
    spec = explicit(model.backbone.spec, output_stride=stated.get("output_stride", 32))
    if model.task == "detection" and type(model.head) is SSDLiteHead and type(model.extra) is ExtraLayers:
        pairs = [(layer[0][0].out_channels, layer[2][0].out_channels) for layer in model.extra]
        return Shape(spec, extras=tuple(pairs))
    if model.task == "segmentation" and type(model.head) in (LRASPPHead, RASPPHead):
        return Shape(spec, filters=model.head.class_layers[0].in_channels)
    raise UserError(
        f"{config.filename}: adapt narrows SSDLite with its own head and extra layers, and LR-ASPP and R-ASPP; "
        f"this is a {type(model).__name__} with {type(getattr(model, 'head', None)).__name__}"
    )


def config_of(seed: Config, shape: Shape) -> Config:
    """Return the seed's config with the channels of a shape; its widths, tail and ``paper`` row are gone."""
    content = copy.deepcopy(seed._cfg_dict)
    for key in ("paper", "init_from", "load_from", "work_dir", "resume", "launcher", "experiment_name"):
        content.pop(key, None)
    model, before = content["model"], content["model"]["backbone"]
    kept = ("output_stride", "padding", "bn_eps", "frozen_stages", "freeze_norm_statistics")
    name = f"adapted_{before['name'].removeprefix('adapted_')}"
    stated = {key: before[key] for key in kept if key in before}
    model["backbone"] = dict(name=name, table=spec_to_plain(shape.spec), **stated)
    if shape.extras:
        options = {key: value for key, value in (model.get("extra") or {}).items() if key != "width"}
        model["extra"] = dict(options, depths=[list(pair) for pair in shape.extras])
    if shape.filters:
        model["head"] = dict(model["head"], filters=shape.filters)
    return complete_config(content, (), seed.filename)
