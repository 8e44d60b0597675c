"""Read several files at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from PIL import Image

_THREADS = 4  # decoding and reading release Python's lock
_FEW = 8  # files, for which threads take longer to start than they save
T = TypeVar("T")
Item = TypeVar("Item")


def read_files(read: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
    """Call ``read`` on each item, several at a time, without warnings about large images."""
    items = list(items)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        if len(items) <= _FEW:
            return [read(item) for item in items]
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(read, items))
