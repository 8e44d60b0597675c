"""Start a narrowed network from the weights of a wider one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from densevision.adapt.shape import FILTERS, LAST, STEM, Shape, extra, inner, squeeze, streams, tap, widths

Axes = tuple[str | None, ...]  # per axis of a tensor the name of its channels (``widths``), None: not narrowed
Kept = dict[str, Tensor]  # name of channels -> indices that stay, in their order
_NORM = ("weight", "bias", "running_mean", "running_var")
_SKIPPED = "num_batches_tracked"


class _Layout:
    """Collects the axes of tensors by name."""

    def __init__(self) -> None:
        self.axes: dict[str, Axes] = {}

    def conv(self, name: str, out: str | None, source: str | None, *, bias: bool = False) -> None:
        self.axes[f"{name}.weight"] = (out, source)
        if bias:
            self.axes[f"{name}.bias"] = (out,)

    def norm_act(self, name: str, out: str, source: str | None) -> None:
        """Lay out a ``ConvNormAct``; ``source`` is None for a depthwise one."""
        self.conv(f"{name}.0", out, source)
        self.axes |= {f"{name}.1.{part}": (out,) for part in _NORM}


def layout(model: nn.Module, shape: Shape) -> dict[str, Axes]:
    """Return which axes of a model's tensors are which channels; those of R-ASPP's joined branches are "filters+".

    Args:
        model: without ``training_only`` parts.
        shape: of the model.
    Raises:
        ValueError: a tensor of the model is not known here.
    """
    found = _Layout()
    _lay_out_backbone(found, shape)
    if shape.extras:
        _lay_out_detector(found, shape)
    else:
        _lay_out_segmentor(found, shape, model)
    known = {name for name in model.state_dict() if not name.endswith(_SKIPPED)}
    if unknown := known ^ found.axes.keys():
        raise ValueError(f"{min(unknown)} is not laid out")
    return found.axes


def _lay_out_backbone(found: _Layout, shape: Shape) -> None:
    spec, names = shape.spec, streams(shape.spec)
    found.norm_act("backbone.stem", STEM, None)
    for index, block in enumerate(spec.blocks):
        name, filtered = f"backbone.blocks.{index}", inner(spec, index)
        if block.expansion:
            found.norm_act(f"{name}.expansion", filtered, names[index])
        found.norm_act(f"{name}.depthwise", filtered, None)
        if block.squeezed:
            found.conv(f"{name}.se.reduce", squeeze(index), filtered, bias=True)
            found.conv(f"{name}.se.expand", filtered, squeeze(index), bias=True)
        found.norm_act(f"{name}.projection", names[index + 1], filtered)
    if spec.last:
        found.norm_act("backbone.last", LAST, names[-1])


def _lay_out_detector(found: _Layout, shape: Shape) -> None:
    maps = [tap(shape.spec, "c4"), tap(shape.spec, "c5")]
    for index in range(len(shape.extras)):
        middle, out = extra(index)
        found.norm_act(f"extra.{index}.0", middle, maps[-1])
        found.norm_act(f"extra.{index}.1", middle, None)
        found.norm_act(f"extra.{index}.2", out, middle)
        maps.append(out)
    for index, name in enumerate(maps):
        for part in ("classify", "regress"):
            found.norm_act(f"head.{part}.{index}.0", name, None)
            found.conv(f"head.{part}.{index}.1", None, name, bias=True)


def _lay_out_segmentor(found: _Layout, shape: Shape, model: Any) -> None:
    c3, c5 = tap(shape.spec, "c3"), tap(shape.spec, "c5")
    if hasattr(model.head, "join"):  # R-ASPP
        found.norm_act("head.local_branch", FILTERS, c5)
        found.norm_act("head.image_branch", FILTERS, c5)
        found.norm_act("head.join", FILTERS, f"{FILTERS}+")
        found.conv("head.logits", None, FILTERS, bias=True)
        return
    found.norm_act("head.project", FILTERS, c5)
    found.conv("head.gate", FILTERS, c5, bias=model.head.gate.bias is not None)
    found.conv("head.high_logits", None, FILTERS, bias=True)
    found.conv("head.low_logits", None, c3, bias=True)


def magnitudes(weights: Mapping[str, Tensor], axes: Mapping[str, Axes]) -> dict[str, Tensor]:
    """Return the magnitude of every channel, by name.

    A channel's magnitude is the sum over all convolutions that write it of the L2 norm of its filter, after the batch
    norm is folded into the convolution. Channels that a residual ties are thus judged together.

    Args:
        weights: a state dict.
        axes: its ``layout``.
    """
    sums: dict[str, Tensor] = {}
    for name, (out, *rest) in axes.items():
        if out is None or not rest:
            continue
        norms = weights[name].flatten(1).double().norm(dim=1)
        norm = f"{name.removesuffix('.0.weight')}.1."
        if f"{norm}running_var" in weights:
            scale = weights[f"{norm}weight"] / (weights[f"{norm}running_var"] + 1e-3).sqrt()
            norms = norms * scale.double().abs()
        sums[out] = sums[out] + norms if out in sums else norms
    return sums


def choose(weights: Mapping[str, Tensor], axes: Mapping[str, Axes], wanted: Mapping[str, int]) -> Kept:
    """Choose the channels of largest magnitude; of equal ones the first.

    Args:
        wanted: channels by name, at most those of the weights.
    """
    found = magnitudes(weights, axes)
    return {
        name: torch.sort(torch.sort(found[name], descending=True, stable=True).indices[:count]).values
        for name, count in wanted.items()
    }


def narrow(weights: Mapping[str, Tensor], axes: Mapping[str, Axes], kept: Kept) -> dict[str, Tensor]:
    """Cut a state dict to the channels that stay: one set of indices wherever a channel is written or read."""
    all_kept = dict(kept)
    if FILTERS in kept:  # R-ASPP reads two maps of this width, one after the other
        full = next(len(weights[name]) for name, (first, *_) in axes.items() if first == FILTERS)
        all_kept[f"{FILTERS}+"] = torch.cat([kept[FILTERS], kept[FILTERS] + full])
    narrowed = {}
    for name, tensor in weights.items():
        for axis, channels in enumerate(axes.get(name, ())):
            if channels is not None:
                tensor = tensor.index_select(axis, all_kept[channels])
        narrowed[name] = tensor.clone()
    return narrowed


def inherit(model: nn.Module, seed: Shape, shape: Shape) -> dict[str, Tensor]:
    """Return the weights that a network of ``shape`` takes over from a wider one.

    Args:
        model: of shape ``seed``.
    """
    weights, axes = model.state_dict(), layout(model, seed)
    return narrow(weights, axes, choose(weights, axes, widths(shape)))
