"""What a step computes for the log or for its own check stays on the device until somebody reads it.

Reading a number of a GPU waits until everything before it is computed, and then the GPU waits for the next step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import RuntimeInfoHook as _RuntimeInfoHook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import Runner
from torch import Tensor

from densevision.registry import HOOKS

HISTORY = 1000  # values of every logged scalar that are kept


def waits(value: Tensor) -> bool:
    """Return whether reading a number waits for its device; a CPU has computed it already."""
    return value.device.type != "cpu"


class Snapshot:
    """Copies of tensors, to which these are restored if a condition holds that only the device knows.

    All tensors of a type are copied as one, so that a GPU has a few kernels to start, not hundreds.
    """

    @torch.no_grad()
    def __init__(self, tensors: Iterable[Tensor]):
        groups: dict[tuple, list[Tensor]] = defaultdict(list)
        for tensor in tensors:
            groups[tensor.device, tensor.dtype].append(tensor.detach())
        self._groups = [(group, _joined(group)) for group in groups.values()]

    @torch.no_grad()
    def restore_where(self, condition: Tensor) -> None:
        """Restore all tensors, bit for bit, if the bool scalar ``condition`` is true."""
        if not waits(condition) and not condition:
            return
        for group, before in self._groups:
            chosen = torch.where(condition.to(before.device), before, _joined(group))
            parts = chosen.split([tensor.numel() for tensor in group])
            torch._foreach_copy_(group, [part.view(tensor.shape) for part, tensor in zip(parts, group, strict=True)])


def _joined(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class DeferredBuffer(HistoryBuffer):
    """A history of a logged value that reads what it was given when it is used."""

    def __init__(self, log_history: Iterable = (), count_history: Iterable = (), max_length: int = HISTORY):
        self._pending: list[Tensor] = []
        self._values, self._counts = np.empty(0), np.empty(0)
        super().__init__(list(log_history), list(count_history), max_length)

    def defer(self, value: Tensor) -> None:
        """Add a scalar, which is read later."""
        self._pending.append(value.detach())
        if len(self._pending) >= HISTORY:
            self._read()

    def _read(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            values = self._kept(torch.stack(pending).tolist())
            self._values = np.append(self._values, values)[-self.max_length :]
            self._counts = np.append(self._counts, [1] * len(values))[-self.max_length :]

    def _kept(self, values: list[float]) -> list[float]:
        return values

    @property
    def _log_history(self) -> np.ndarray:
        self._read()
        return self._values

    @_log_history.setter
    def _log_history(self, values: np.ndarray) -> None:
        self._values = values

    @property
    def _count_history(self) -> np.ndarray:
        self._read()
        return self._counts

    @_count_history.setter
    def _count_history(self, counts: np.ndarray) -> None:
        self._counts = counts


class FiniteBuffer(DeferredBuffer):
    """Leaves out values that are not finite: those of skipped batches."""

    def _kept(self, values: list[float]) -> list[float]:
        return [value for value in values if math.isfinite(value)]


def share_histories(hub: MessageHub) -> None:
    """Replace the logged values of a training by their means over all processes, each of which must call this.

    A checkpoint has the values of one process, and every process continues from them.
    """
    if get_world_size() == 1:
        return
    names = sorted(name for name in hub.log_scalars if name.startswith("train/"))
    lengths = [len(hub.log_scalars[name].data[0]) for name in names]
    least, most = torch.tensor(lengths), torch.tensor(lengths)
    all_reduce(least, op="min")
    all_reduce(most, op="max")
    for name, equal in zip(names, (least == most).tolist(), strict=True):
        if equal:
            buffer = hub.log_scalars[name]
            values = torch.tensor(buffer.data[0], dtype=torch.float64)
            all_reduce(values, op="mean")
            hub._log_scalars[name] = type(buffer)(values.tolist(), buffer.data[1].tolist())


def record(hub: MessageHub, name: str, value: object, kind: type[DeferredBuffer] = DeferredBuffer) -> None:
    """Log a value of this iteration; a tensor is read when the log is."""
    if not isinstance(value, Tensor) or value.numel() != 1:
        hub.update_scalar(name, value)
        return
    hub._set_resumed_keys(name, True)
    buffer = hub._log_scalars.get(name)
    if type(buffer) is not kind:
        buffer = hub._log_scalars[name] = kind(*(buffer.data if buffer else ((), ())))
    buffer.defer(value.reshape(()))


@HOOKS.register_module()
class RuntimeInfoHook(_RuntimeInfoHook):
    """Log learning rate, losses and metrics as mmengine's hook does, without reading the losses at every step."""

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        """Log what the model returned."""
        for name, value in (outputs or {}).items():
            record(runner.message_hub, f"train/{name}", value)
