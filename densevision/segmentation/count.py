"""Count the pixels of label files by id, and compare their sizes with their images'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from densevision.data.sizes import EXIF
from densevision.image_header import ImageHeader
from densevision.images import read_header
from densevision.segmentation.files import label_size, many_files
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
        with many_files() as map_:
            new = [index for index in wanted if index not in self._pixels]
            self._pixels.update(zip(new, map_(self._count, new), strict=True))
        rows = [self._pixels[index] for index in wanted if self._pixels[index] is not None]
        return np.array(rows, np.int64).reshape(-1, 256)

    def _count(self, index: int) -> np.ndarray | None:
        try:
            return np.bincount(read_label_ids(self.paths[index]).ravel(), minlength=256)
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


@dataclass
class Headers:
    """What the headers of a split's files say.

    Attributes:
        exif: "apply" or "ignore" the turn that an image's EXIF tag asks for.
        damaged: index -> what is wrong with a file that can't be read.
        turned: images with such a tag.
        unsure: those of them that have the same size either way.
        misfits: one line per label file that differs in size from its image.
        kinds: pixel format of the label files -> the first index with it.
        sizes: (height, width) of the images as they are read.
    """

    exif: str
    damaged: dict[int, str] = field(default_factory=dict)
    turned: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    sizes: set[tuple[int, int]] = field(default_factory=set)

    def add_image(self, path: str, header: ImageHeader) -> None:
        """Note an image's size, and whether EXIF turns it."""
        self.sizes.add(self._read_size(header))
        if header.orientation != 1:
            self.turned.append(path)
            if header.size == header.turned_size:
                self.unsure.append(path)

    def _read_size(self, header: ImageHeader) -> tuple[int, int]:
        return header.turned_size if self.exif == "apply" else header.size

    def add_label(self, image: str, header: ImageHeader, label: str, size: tuple[int, int]) -> None:
        """Note a label file of another size than its image."""
        read = self._read_size(header)
        if size == read:
            return
        said = f"{label} is {describe_size(size)}, its image {image} is {describe_size(read)}"
        if size in (header.size, header.turned_size):
            way = "as its EXIF tag turns it" if self.exif == "apply" else "without the turn of its EXIF tag"
            self.misfits.append(f"{said} {way}: set exif={EXIF[self.exif == 'apply']!r} in the data set of the config")
        else:
            self.misfits.append(f"{said}; labels must have the size of their image")

    def notes(self) -> list[str]:
        """Name turned and damaged files, and label files of several formats."""
        notes = []
        if self.turned:
            way = "turned as their EXIF tag says" if self.exif == "apply" else "not turned as their EXIF tag says"
            notes.append(f"{len(self.turned):,} images are {way}, label files are as stored; look at {self.turned[0]}")
        if self.unsure:
            notes.append(
                f"whether {len(self.unsure):,} of them fit their label files can't be told by the size, look at "
                f"{self.unsure[0]}; exif={EXIF[self.exif == 'apply']!r} is the other way"
            )
        if len(self.kinds) > 1:
            notes.append(f"label files have several pixel formats: {', '.join(sorted(self.kinds))}")
        if self.damaged:
            first = self.damaged[min(self.damaged)]
            notes.append(f"{len(self.damaged):,} images or their label files can't be read, the first: {first}")
        return notes

    def damage_fault(self) -> str | None:
        """Say that a file can't be read, if so."""
        if not self.damaged:
            return None
        more = f" ({len(self.damaged) - 1:,} more can't be read)" if len(self.damaged) > 1 else ""
        return f"{self.damaged[min(self.damaged)]}{more}; repair the file, or remove image and label file"

    def size_fault(self) -> str | None:
        """Say that a label file has another size than its image, if so."""
        if not self.misfits:
            return None
        if len(self.misfits) == 1:
            return self.misfits[0]
        return f"{len(self.misfits):,} label files differ in size from their image, the first: {self.misfits[0]}"


def read_headers(images: Sequence[str], labels: Sequence[str], exif: str) -> Headers:
    """Read the headers of all images and, where there are any, of their label files."""

    def read(index: int):
        try:
            return read_header(images[index]), label_size(labels[index]) if len(labels) else None
        except OSError as error:
            return str(error), None

    found = Headers(exif)
    with many_files() as map_:
        for index, (image, label) in enumerate(map_(read, range(len(images)))):
            if isinstance(image, str):
                found.damaged[index] = image
                continue
            found.add_image(images[index], image)
            if label is not None:
                found.add_label(images[index], image, labels[index], label[0])
                found.kinds.setdefault(label[1], index)
    return found


def describe_size(size: Sequence[int]) -> str:
    """Write (height, width) as "WIDTHxHEIGHT"."""
    return f"{size[1]}x{size[0]}"
