"""Read checkpoints, and check that they fit a model and are finite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from densevision.checkpoints.files import describe, read_plain
from densevision.checkpoints.settings import check_settings
from densevision.errors import UserError

THRESHOLD = "score_threshold"  # in a detector's meta: above it, F1 was best in the evaluation of these weights
_STATISTICS = ("running_mean", "running_var")


def read_checkpoint(path: str | Path, map_location: str | torch.device = "cpu") -> dict:
    """Read a checkpoint file as plain data.

    Raises:
        UserError: see ``read_plain``; or the file is not a checkpoint.
    """
    checkpoint = read_plain(Path(path), map_location)
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UserError(
            f"{path} is not a checkpoint of densevision: it has no 'state_dict'; give a file that densevision train "
            "wrote, such as best.pth"
        )
    if not _is_sound(checkpoint):
        raise UserError(f"{path} is damaged; give a file that densevision train wrote, such as best.pth")
    return checkpoint


def stored_threshold(path: str | Path) -> float | None:
    """Return the score threshold that a checkpoint recommends; None if it has none.

    Raises:
        UserError: see ``read_checkpoint``.
    """
    found = (read_checkpoint(path).get("meta") or {}).get(THRESHOLD)
    return float(found) if isinstance(found, int | float) and 0 <= found < 1 else None


# Entries and their types, where a checkpoint has them; "optimizer.param_groups" is the entry in the entry.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "state_dict": dict,
    "ema_state_dict": dict,
    "meta": (dict, type(None)),
    "meta.iter": int,
    "meta.dataset_meta": (dict, type(None)),
    "meta.settings": (dict, type(None)),
    "meta.made_from": (dict, type(None)),
    "meta.made_from.settings": dict,
    "optimizer": dict,
    "optimizer.param_groups": list,
    "optimizer.state": dict,
    "message_hub": dict,
    "message_hub.log_scalars": dict,
    "message_hub.runtime_info": dict,
}


_PLAIN = ("stored_config", "settings", "dataset_meta", "made_from")  # entries of meta without tensors


def _is_sound(checkpoint: dict) -> bool:
    """Return whether the entries have the types that training writes."""
    for entry, kind in _TYPES.items():
        if (value := _entry(checkpoint, entry)) is not _ABSENT and not isinstance(value, kind):
            return False
    meta = checkpoint.get("meta") or {}
    if any(_has_tensor(meta.get(name)) for name in _PLAIN):
        return False
    if type(meta.get("iter", 0)) is not int or meta.get("iter", 0) < 0 or not _can_resume(checkpoint):
        return False
    states = (checkpoint["state_dict"], checkpoint.get("ema_state_dict", {}))
    if not all(_is_weight(name, value) for state in states for name, value in state.items()):
        return False
    return _names_classes(meta.get("dataset_meta") or {})


def _has_tensor(value: object) -> bool:
    """Return whether there is a tensor, which can't be compared or iterated like the plain data in its place."""
    if isinstance(value, dict):
        return any(_has_tensor(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple | set):
        return any(map(_has_tensor, value))
    return isinstance(value, Tensor)


_LARGEST = 1e30  # learning rate


def _can_resume(checkpoint: dict) -> bool:
    """Return whether optimizer, schedules and curves have the form that training writes, where they are there."""
    optimizer, schedules = checkpoint.get("optimizer") or {}, checkpoint.get("param_schedulers")
    rows = [*optimizer.get("param_groups", ()), *optimizer.get("state", {}).values()]
    if isinstance(schedules, list):
        rows += schedules
        if not all("last_step" in one for one in schedules if isinstance(one, dict)):
            return False
    rates = [group.get("lr", 0.0) for group in optimizer.get("param_groups", ()) if isinstance(group, dict)]
    if not all(
        isinstance(rate, int | float) and abs(rate) <= _LARGEST for rate in rates if not isinstance(rate, Tensor)
    ):
        return False
    curves = (checkpoint.get("message_hub") or {}).get("log_scalars", {}).values()
    return all(isinstance(row, dict) for row in rows) and all(isinstance(one, list | tuple) for one in curves)


_ABSENT = object()


def _entry(checkpoint: dict, entry: str) -> object:
    value: object = checkpoint
    for key in entry.split("."):
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _is_weight(name: object, value: object) -> bool:
    plain = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_complex()
    return isinstance(name, str) and plain and isinstance(value, Tensor) and not value.is_meta


def _names_classes(info: dict) -> bool:
    classes, palette = info.get("classes") or (), info.get("palette")
    if not isinstance(classes, list | tuple) or not all(isinstance(name, str) for name in classes):
        return False
    if palette is None:
        return True
    if not isinstance(palette, list | tuple):
        return False
    colors = [tuple(color) for color in palette if isinstance(color, list | tuple) and len(color) == 3]
    values = [value for color in colors for value in color]
    return len(colors) == len(palette) and all(isinstance(value, int) and 0 <= value < 256 for value in values)


def check_weights(model: nn.Module, checkpoint: dict, origin: str | Path, *, resuming: bool = False) -> None:
    """Check that a checkpoint fits a model exactly.

    Args:
        resuming: the model continues its training, so that its ``training_only`` parts must fit too.
    Raises:
        UserError: it belongs to another model; names the first three tensors that do not fit, or the settings that
            differ.
    """
    parts = () if resuming else getattr(model, "training_only", ())
    wanted, weights = (_without(parts, tensors) for tensors in (model.state_dict(), checkpoint["state_dict"]))
    misfits = [
        f"{name} ({describe(weights[name])} there and {describe(tensor)} here)"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    misfits += [f"{name} (missing there)" for name in wanted if name not in weights]
    misfits += [f"{name} (unknown here)" for name in weights if name not in wanted]
    if misfits:
        names = ", ".join(misfits[:3])
        raise UserError(f"{origin} belongs to another model: {len(misfits)} tensors do not fit, first {names}")
    check_settings(model, (checkpoint.get("meta") or {}).get("settings") or {}, ("backbone", "extra", "head"), origin)


def _without(parts: tuple[str, ...], tensors: dict) -> dict:
    return {name: tensor for name, tensor in tensors.items() if name.partition(".")[0] not in parts}


def check_finite(model: nn.Module, checkpoint: dict, origin: str | Path) -> None:
    """Check that the weights of a checkpoint of a model are finite.

    Raises:
        UserError: names the first tensor that is not.
    """
    if name := first_not_finite(model, dict(state_dict=checkpoint["state_dict"])):
        raise UserError(f"{origin}: {name} is not finite, so the network is broken; use an earlier checkpoint")


def first_not_finite(model: nn.Module, checkpoint: dict) -> str | None:
    """Name a weight, a batch statistic or an optimizer's value that is NaN or infinite; None if all are finite.

    Args:
        checkpoint: of this model; its other buffers are not checked.
    """
    parameters = {name for name, _ in model.named_parameters()}
    for name, tensor in _tensors(checkpoint, parameters):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return name
    return None


def _tensors(checkpoint: dict, parameters: set[str]) -> Iterator[tuple[str, Tensor]]:
    for part in ("state_dict", "ema_state_dict"):
        for name, tensor in (checkpoint.get(part) or {}).items():
            short = name.removeprefix("module.")
            if short in parameters or short.endswith(_STATISTICS):
                yield short, tensor
    for number, state in ((checkpoint.get("optimizer") or {}).get("state") or {}).items():
        for name, tensor in state.items():
            if isinstance(tensor, Tensor):
                yield f"the optimizer's {name} of tensor {number}", tensor
