"""Count what makes the host wait for a GPU: reads of numbers, and operators whose result has a size that depends on
values."""

from collections import Counter

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "unique_consecutive"}
_READING = {"tolist", "numpy", "__array__", "cpu"}


class _Operators(TorchDispatchMode):
    def __init__(self, counts):
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
        if name in _WAITING or name.startswith("unique"):
            self.counts[name] += 1
        elif any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices):
            self.counts["boolean mask"] += 1
        return function(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, counts):
        super().__init__()
        self.counts = counts

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in _READING:
            self.counts[name] += 1
        return function(*args, **(kwargs or {}))


class Waits:
    """While entered, ``counts`` grows with each wait, by the name of its operator."""

    def __init__(self):
        self.counts: Counter = Counter()

    def __enter__(self):
        self._modes = [_Operators(self.counts), _Methods(self.counts)]
        for mode in self._modes:
            mode.__enter__()
        return self.counts

    def __exit__(self, *exception):
        for mode in reversed(self._modes):
            mode.__exit__(*exception)
