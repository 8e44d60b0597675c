"""Start a model from the weights of another: other classes, a halved tail, only the backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from densevision.checkpoints.files import describe, is_state_dict, read_plain
from densevision.checkpoints.settings import check_settings
from densevision.config.init_from import InitFrom
from densevision.errors import UserError
from densevision.weights.classes import ClassColumns, class_tensors
from densevision.weights.convert import convert
from densevision.weights.report import LoadReport
from densevision.weights.source import COUNTER


def initialize(model: Any, options: InitFrom, classes: Sequence[str]) -> LoadReport:
    """Fill a model as far as the weights go.

    A part (backbone, extra, head) takes all its tensors or none: none where the weights have no such part.

    Args:
        model: with ``backbone``, ``head`` and ``background_columns``; untouched where the weights are refused.
        options: where the weights are, and what to do where they do not fit.
        classes: names of the model's classes, in label order.
    Returns:
        What became of every tensor.
    Raises:
        UserError: no weights there, or of another network; names the first three tensors that do not fit.
    """
    checkpoint, origin = read_weights(options)
    theirs, meta = checkpoint["state_dict"], checkpoint.get("meta") or {}
    their_classes = (meta.get("dataset_meta") or {}).get("classes") or ()
    columns = ClassColumns(tuple(their_classes), tuple(classes), model.background_columns)
    comparison = _Comparison(model.state_dict(), theirs, _tail(model.backbone), class_tensors(model), columns.differ)
    fates = comparison.sort(accept_tail=options.halved_tail is not None)
    _refuse_misfits(comparison, fates["misfit"], origin)
    check_settings(model, meta.get("settings") or {}, comparison.parts, origin)
    filled = {name: theirs[name] for name in fates["loaded"]}
    if options.same_classes:
        filled |= {n: columns.fill(comparison.ours[n], theirs[n]) for n in fates["classes"]}
    if options.halved_tail == "first_half":
        filled |= {n: _first_channels(theirs[n], comparison.ours[n]) for n in fates["tail"]}
    model.load_state_dict({**comparison.ours, **filled})
    cut = fates["tail"] if options.halved_tail == "first_half" else []
    return LoadReport(
        origin,
        loaded=fates["loaded"],
        kept_classes=columns.shared if options.same_classes else [],
        reinitialized=fates["classes"],
        cut=cut,
        initial=fates["initial"] + [name for name in fates["tail"] if name not in cut],
        unused=[name for name in theirs if name not in comparison.ours],
    )


def read_weights(options: InitFrom) -> tuple[dict, str]:
    """Return a checkpoint with ``state_dict`` and where it came from.

    Raises:
        UserError: nothing there, or no checkpoint.
    """
    path = Path(options.source)
    if options.model is not None or not path.exists():
        converted, report = convert(options.source, options.model)
        return converted, report.origin
    checkpoint: Any = read_plain(path)
    if not isinstance(checkpoint, dict) or not is_state_dict(checkpoint.get("state_dict")):
        raise UserError(
            f"{path} is no checkpoint of densevision; if it is a published file, name its network: "
            f"init_from=dict(source='{path}', model='timm:mobilenetv3_large_100')"
        )
    return checkpoint, str(path)


@dataclass(frozen=True)
class _Comparison:
    """The tensors of a model next to those of a file.

    Attributes:
        ours, theirs: by name.
        tail: what the names of the backbone's tail begin with.
        classes: names of our tensors with an output channel per class.
        other_classes: whether they are known to be of other classes.
    """

    ours: Mapping[str, Tensor]
    theirs: Mapping[str, Tensor]
    tail: tuple[str, ...]
    classes: set[str]
    other_classes: bool

    @property
    def parts(self) -> set[str]:
        """First parts of the names that both have."""
        return {name.partition(".")[0] for name in self.ours if name in self.theirs}

    def sort(self, *, accept_tail: bool) -> dict[str, list[str]]:
        """Return our names by fate: initial, loaded, classes (of other classes), tail (too wide there), misfit."""
        fates: dict[str, list[str]] = {fate: [] for fate in ("initial", "loaded", "classes", "tail", "misfit")}
        parts = self.parts
        for name in self.ours:
            fate = self._fate(name) if name.partition(".")[0] in parts else "initial"
            fates["misfit" if fate == "tail" and not accept_tail else fate].append(name)
        return fates

    def _fate(self, name: str) -> str:
        tensor, given = self.ours[name], self.theirs.get(name)
        if given is None:
            return "initial" if name.endswith(COUNTER) else "misfit"
        if name in self.classes and (self.other_classes or given.shape != tensor.shape):
            return "classes"
        if given.shape == tensor.shape:
            return "loaded"
        narrower = all(here <= there for here, there in zip(tensor.shape, given.shape, strict=False))
        return "tail" if name.startswith(self.tail) and narrower and given.dim() == tensor.dim() else "misfit"


def _tail(backbone: Any) -> tuple[str, ...]:
    names = backbone.tail() if hasattr(backbone, "tail") else ()
    return tuple(f"backbone.{name}" for name in names)


def _refuse_misfits(comparison: _Comparison, misfits: Sequence[str], origin: str) -> None:
    ours, theirs = comparison.ours, comparison.theirs
    if "backbone" not in comparison.parts:
        raise UserError(f"{origin} has none of the backbone's tensors; its first are {', '.join(list(theirs)[:3])}")
    if not misfits:
        return
    listed = [f"{n} ({describe(theirs.get(n))} there, {describe(ours[n])} here)" for n in misfits[:3]]
    remedy = "name the config's backbone, width and reduced_tail as the weights have them"
    if all(name.startswith(comparison.tail) for name in misfits):
        remedy = "for a halved tail set init_from.halved_tail to 'first_half' or 'leave_out'"
    raise UserError(f"{origin}: {len(misfits)} tensors do not fit, first {', '.join(listed)}; {remedy}")


def _first_channels(given: Tensor, tensor: Tensor) -> Tensor:
    return given[tuple(slice(size) for size in tensor.shape)]
