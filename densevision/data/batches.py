"""Batches of samples, which a loader process sends in one piece."""

from __future__ import annotations

import io
import itertools
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor

_ALIGNMENT = 64  # bytes


def collate(samples: Sequence[dict]) -> Batch:
    """Make a batch of samples as mmengine does: a list per key, nothing stacked."""
    return Batch(pseudo_collate(samples))


class Batch(dict):
    """A batch that a loader process sends with all its tensors in one block of shared memory.

    torch would send each tensor on its own, with a file and a descriptor of the receiver's (compared in docs/scale.md).
    What arrives is a plain dict with equal tensors of the same strides.
    """

    def __reduce__(self) -> tuple[Callable, tuple]:
        return _unpack, _pack(self)


@dataclass(frozen=True)
class _Place:
    """Where a tensor is in the block."""

    start: int  # bytes
    stop: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, block: Tensor) -> Tensor:
        return block[self.start : self.stop].view(self.dtype).as_strided(self.shape, self.strides)


class _Pickler(pickle.Pickler):
    """Collects the tensors of what it pickles."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.tensors: list[Tensor] = []

    def persistent_id(self, value: object) -> int | None:
        if type(value) is not Tensor or value.device.type != "cpu" or value.layout != torch.strided:
            return None
        self.tensors.append(value)
        return len(self.tensors) - 1


class _Unpickler(pickle.Unpickler):
    """Puts tensors back."""

    def __init__(self, file: io.BytesIO, tensors: Sequence[Tensor]):
        super().__init__(file)
        self.tensors = tensors

    def persistent_load(self, number: int) -> Tensor:
        return self.tensors[number]


def _pack(batch: Batch) -> tuple[bytes, list[_Place], Tensor]:
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(dict(batch))
    tensors = [value if _dense(value) else value.contiguous() for value in pickler.tensors]
    sizes = [value.numel() * value.element_size() for value in tensors]
    starts = list(itertools.accumulate((-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes), initial=0))
    block = torch.empty(starts.pop(), dtype=torch.uint8)
    places = [
        _Place(start, start + size, value.dtype, tuple(value.shape), value.stride())
        for value, start, size in zip(tensors, starts, sizes, strict=True)
    ]
    for place, value in zip(places, tensors, strict=True):
        place.of(block).copy_(value)
    return file.getvalue(), places, block


def _unpack(pickled: bytes, places: list[_Place], block: Tensor) -> dict:
    return _Unpickler(io.BytesIO(pickled), [place.of(block) for place in places]).load()


def _dense(value: Tensor) -> bool:
    """Whether the elements fill their part of the memory once, in any order of the axes."""
    extent = 1 + sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
    return value.numel() > 0 and extent == value.numel() and 0 not in value.stride()
