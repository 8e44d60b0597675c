"""Count the pixels of label files by id."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from densevision.data.threads import read_files
from densevision.segmentation.label_source import LabelSource

_BATCH = 64  # files to read at a time in a search


class IdCounts:
    """Pixels per id of label files; each file is read once.

    Args:
        labels: the label files.
    Attributes:
        damaged: index -> fault of a file that can't be read.
    """

    def __init__(self, labels: LabelSource):
        self._labels = labels
        self.damaged: dict[int, str] = {}
        self._pixels: dict[int, np.ndarray | None] = {}

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return [F, 256] int64, a row per file that can be read; damaged files are left out.

        Raises:
            UserError: a file is not a map of ids.
        """
        indices = list(indices)
        new = [index for index in indices if index not in self._pixels]
        if new:  # threads are not free
            self._pixels.update(zip(new, read_files(self._count, new), strict=True))
        rows = [self._pixels[index] for index in indices]
        return np.array([row for row in rows if row is not None], np.int64).reshape(-1, 256)

    @property
    def known(self) -> list[int]:
        """Indices of the files read so far."""
        return sorted(self._pixels)

    def read_one(self, index: int) -> None:
        """Read one file, unless it was read before; may be called in several threads.

        Raises:
            UserError: the file is not a map of ids.
        """
        if index not in self._pixels:
            self._pixels[index] = self._count(index)

    def _count(self, index: int) -> np.ndarray | None:
        try:
            return np.bincount(self._labels.read_ids(index).ravel(), minlength=256)
        except OSError as error:
            self.damaged[index] = str(error)
            return None

    def first_with(self, label_id: int) -> str:
        """Return the path of the first file read that contains an id."""
        return next(
            self._labels.paths[i] for i, row in sorted(self._pixels.items()) if row is not None and row[label_id]
        )

    def most_with(self, label_id: int) -> str:
        """Return the path of the file read with the most pixels of an id."""
        rows = sorted(self._pixels.items())
        index = max(rows, key=lambda item: -1 if item[1] is None else item[1][label_id])[0]
        return str(self._labels.paths[index])

    def notes(self) -> list[str]:
        """Note the number of files that the counts are of, if not of all."""
        read, total = len(self._pixels), len(self._labels.paths)
        return [f"pixels are those of {read:,} of the {total:,} label files"] if read < total else []

    def read_until(self, ids: Iterable[int]) -> np.ndarray:
        """Read more files until each of ``ids`` has occurred; return the rows of all files read."""
        unread = [index for index in range(len(self._labels.paths)) if index not in self._pixels]
        missing = set(ids)
        for start in range(0, len(unread), _BATCH):
            missing -= set(np.flatnonzero(self.read(unread[start : start + _BATCH]).sum(0)).tolist())
            if not missing:
                break
        return self.read(sorted(self._pixels))
