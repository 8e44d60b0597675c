"""Count the pixels of label files by id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from densevision.segmentation.files import read_files
from densevision.segmentation.label_files import read_label_ids


class IdCounts:
    """Pixels per id of label files; a file is read once.

    Args:
        paths: of the label files.
    """

    def __init__(self, paths: Sequence[str]):
        self.paths = paths
        self._pixels: dict[int, np.ndarray | None] = {}
        self.damaged: dict[int, str] = {}  # index -> what is wrong with the file

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return [F, 256] int64, a row per file that can be read; damaged ones are left out.

        Raises:
            UserError: a file is not a map of ids.
        """
        wanted = list(indices)
        new = [index for index in wanted if index not in self._pixels]
        self._pixels.update(zip(new, read_files(self._count, new), strict=True))
        rows = [self._pixels[index] for index in wanted if self._pixels[index] is not None]
        return np.array(rows, np.int64).reshape(-1, 256)

    def _count(self, index: int) -> np.ndarray | None:
        try:
            return np.bincount(read_label_ids(str(self.paths[index])).ravel(), minlength=256)
        except OSError as error:
            self.damaged[index] = str(error)
            return None

    def first_with(self, label_id: int) -> str:
        """Return the path of the first file that was read and holds an id."""
        holding = (i for i in sorted(self._pixels) if self._pixels[i] is not None and self._pixels[i][label_id])
        return str(self.paths[next(holding)])

    def notes(self) -> list[str]:
        """Say how many files the counts are of, where not of all."""
        read, total = len(self._pixels), len(self.paths)
        return [f"pixels are those of {read:,} of the {total:,} label files"] if read < total else []

    def read_until(self, ids: Iterable[int]) -> np.ndarray:
        """Read further files until each of ``ids`` has been seen; return the rows of all that were read."""
        batch = 64
        unread = [index for index in range(len(self.paths)) if index not in self._pixels]
        missing = set(ids)
        for start in range(0, len(unread), batch):
            missing -= set(np.flatnonzero(self.read(unread[start : start + batch]).sum(0)).tolist())
            if not missing:
                break
        return self.read(sorted(self._pixels))
