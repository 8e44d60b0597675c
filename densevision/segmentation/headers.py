"""Check the headers of a split's images and label files: sizes, EXIF rotations, pixel formats, damage."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from densevision.data.label_files import LabelHeader
from densevision.data.sizes import describe_size, exif_notes, other_exif, size_as_read
from densevision.data.threads import read_files
from densevision.image_header import ImageHeader
from densevision.images import read_header
from densevision.segmentation.label_source import LabelSource


@dataclass
class Headers:
    """Findings in the headers of a split's files.

    Attributes:
        exif: "apply" or "ignore" the rotation of an image's EXIF tag.
        damaged: index -> fault of a file that can't be read.
        sizes: (height, width) of the images as they are read.
        rotated: number of labeled images with such a tag.
        unsure: those of them with the same size either way.
        misfits: one line per label file with another size than its image.
        right_rotations: number of rotated images that their label files fit as read.
        wrong_rotations: number of rotated images that their label files fit with the other ``exif``.
        kinds: pixel format of the label files -> the first index with it.
        palette: the longest palette of the label files, with the path of its file.
        other_palette: path of the first label file with another color for the same id.
    """

    exif: str
    damaged: dict[int, str] = field(default_factory=dict)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    rotated: int = 0
    unsure: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    right_rotations: int = 0
    wrong_rotations: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    palette: tuple[bytes, str] = (b"", "")
    other_palette: str = ""

    def add_label(self, image: str, header: ImageHeader, path: str, label: LabelHeader) -> None:
        """Compare a label file with its image and with the palette of the others."""
        palette, _ = self.palette
        if palette[: len(label.palette)] != label.palette[: len(palette)]:
            self.other_palette = self.other_palette or path
        elif len(label.palette) > len(palette):
            self.palette = label.palette, path
        visible = header.size != header.turned_size
        if header.orientation != 1:
            self.rotated += 1
            if not visible:
                self.unsure.append(image)
        if label.size == size_as_read(header, self.exif):
            self.right_rotations += visible
            return
        self.wrong_rotations += visible and label.size in (header.size, header.turned_size)
        self.misfits.append(
            f"{path} is {describe_size(label.size)}, its image {image} is read as "
            f"{describe_size(size_as_read(header, self.exif))}"
        )

    def notes(self) -> list[str]:
        """Describe rotated and damaged files, and label files of several formats or palettes."""
        notes = exif_notes(self.rotated, self.unsure, self.exif)
        if len(self.kinds) > 1:
            notes.append(f"label files have several pixel formats: {', '.join(sorted(self.kinds))}")
        if self.other_palette:
            notes.append(
                "label files have palettes that differ, so an id may mean another class in each: compare "
                f"{self.palette[1]} and {self.other_palette}"
            )
        if self.damaged:
            first = self.damaged[min(self.damaged)]
            notes.append(f"{len(self.damaged):,} images or their label files can't be read, the first: {first}")
        return notes

    def damage_fault(self) -> str | None:
        """Describe the files that can't be read, if any."""
        if not self.damaged:
            return None
        more = f" ({len(self.damaged) - 1:,} more can't be read)" if len(self.damaged) > 1 else ""
        return f"{self.damaged[min(self.damaged)]}{more}; repair the file, or remove image and label file"

    def size_fault(self) -> str | None:
        """Describe the label files with another size than their image, if any."""
        if not self.misfits:
            return None
        if self.wrong_rotations < len(self.misfits):
            remedy = "labels must have the size of their image"
        elif self.right_rotations:
            remedy = "others with an EXIF tag do fit, so no option reads all: save the images upright, without the tag"
        else:
            how = "without" if self.exif == "apply" else "with"
            remedy = (
                f"it fits {how} the rotation of the EXIF tag: set {other_exif(self.exif)} in the data set of the config"
            )
        if len(self.misfits) == 1:
            return f"{self.misfits[0]}; {remedy}"
        several = f"{len(self.misfits):,} label files differ in size from their image"
        return f"{several}, the first: {self.misfits[0]}; {remedy}"


def read_headers(images: np.ndarray, labels: LabelSource, exif: str) -> Headers:
    """Read the headers of all images, by their paths, and of their label files if there are any."""

    def read(index: int) -> tuple[ImageHeader, LabelHeader | None] | str:
        try:
            return read_header(images[index]), labels.read_header(index) if len(labels.paths) else None
        except OSError as error:
            return str(error)

    found = Headers(exif)
    for index, result in enumerate(read_files(read, range(len(images)))):
        if isinstance(result, str):
            found.damaged[index] = result
            continue
        image, label = result
        found.sizes.add(size_as_read(image, exif))
        if label is not None:
            found.add_label(images[index], image, labels.paths[index], label)
            found.kinds.setdefault(label.kind, index)
    return found
