"""Read several files at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from PIL import Image

_THREADS = 4  # decoding and reading release Python's lock
T = TypeVar("T")
Item = TypeVar("Item")


def read_files(read: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
    """Call ``read`` on each item, several at a time, without warnings about large images."""
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as threads:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return list(threads.map(read, items))
