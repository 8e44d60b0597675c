"""Count the pixels of label files by id, and compare their sizes with their images'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from densevision.segmentation.files import image_header, label_size, many_files
from densevision.segmentation.label_files import read_label_ids

_REPAIR = "repair or remove the file, image and label file together"
SAMPLE = 200  # label files that are counted


def even_sample(size: int, limit: int) -> list[int]:
    """Return ``limit`` indices evenly over ``size``, or all of them where those are fewer."""
    count = min(size, limit)
    return [number * size // count for number in range(count)]


class IdCounts:
    """Pixels per id of label files; a file is read once.

    Args:
        paths: of the label files.
    """

    def __init__(self, paths: Sequence[str]):
        self.paths = paths
        self._pixels: dict[int, np.ndarray | None] = {}
        self._damaged: dict[int, str] = {}

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return [F, 256] int64, a row per file that can be read; damaged ones are left out.

        Raises:
            UserError: a file is not a map of ids.
        """
        wanted = list(indices)
        with many_files() as map_:
            new = [index for index in wanted if index not in self._pixels]
            self._pixels.update(zip(new, map_(self._count, new), strict=True))
        rows = [self._pixels[index] for index in wanted if self._pixels[index] is not None]
        return np.array(rows, np.int64).reshape(-1, 256)

    def _count(self, index: int) -> np.ndarray | None:
        try:
            return np.bincount(read_label_ids(self.paths[index]).ravel(), minlength=256)
        except OSError as error:
            self._damaged[index] = str(error)
            return None

    def first_with(self, label_id: int) -> str:
        """Return the path of the first file that was read and holds an id."""
        holding = (i for i in sorted(self._pixels) if self._pixels[i] is not None and self._pixels[i][label_id])
        return str(self.paths[next(holding)])

    def notes(self) -> list[str]:
        """Say how many files the counts are of, and how many of them are damaged."""
        notes = []
        if len(self._pixels) < len(self.paths):
            notes.append(f"pixels are those of {len(self._pixels):,} of the {len(self.paths):,} label files")
        if self._damaged:
            notes.append(f"{len(self._damaged):,} of them can't be read, first {self._damaged[min(self._damaged)]}")
        return notes

    def fault(self) -> str | None:
        """Say that a file can't be read, if so."""
        return f"{self._damaged[min(self._damaged)]}; {_REPAIR}" if self._damaged else None

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


@dataclass
class Headers:
    """What the headers of a split's files say.

    Attributes:
        damaged: one line per file that can't be read.
        turned: images that an EXIF tag turns.
        misfits: (image, label file, their sizes as text) where the two differ in size.
        kinds: pixel format of the label files -> the first index with it.
    """

    damaged: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    misfits: list[tuple[str, str, str]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Name turned and damaged files."""
        notes = []
        if self.turned:
            notes.append(
                f"{len(self.turned):,} images are turned as their EXIF tag says, first {self.turned[0]}; label files "
                "are not, and have to show the turned image"
            )
        if self.damaged:
            notes.append(f"{len(self.damaged):,} files can't be read, training skips them, first {self.damaged[0]}")
        return notes

    def fault(self) -> str | None:
        """Say that a file can't be read, if so."""
        return f"{self.damaged[0]}; {_REPAIR}" if self.damaged else None

    def misfit_fault(self) -> str | None:
        """Say that a label file has another size than its image, if so."""
        if not self.misfits:
            return None
        image, label, sizes = self.misfits[0]
        turned = " as read, turned by its EXIF tag: draw labels on the turned image, or remove the tag"
        return (
            f"{len(self.misfits):,} label files differ in size from their image, first {label}: {sizes} ({image})"
            f"{turned if image in self.turned else '; labels must have the size of their image'}"
        )


def read_headers(images: Sequence[str], labels: Sequence[str]) -> Headers:
    """Read the headers of all images and, where there are any, of their label files."""

    def read(index: int):
        try:
            label = label_size(labels[index]) if len(labels) else None
            return image_header(images[index]), label
        except OSError as error:
            return str(error)

    found = Headers()
    with many_files() as map_:
        for index, result in enumerate(map_(read, range(len(images)))):
            if isinstance(result, str):
                found.damaged.append(result)
                continue
            image, label = result
            if image.turned:
                found.turned.append(images[index])
            if label is None:
                continue
            found.kinds.setdefault(label[1], index)
            if label[0] != image.size:
                sizes = f"{describe_size(label[0])}, its image is {describe_size(image.size)}"
                found.misfits.append((images[index], labels[index], sizes))
    return found


def describe_size(size: Sequence[int]) -> str:
    """Write (height, width, ...) as "WIDTHxHEIGHT"."""
    return f"{size[1]}x{size[0]}"
