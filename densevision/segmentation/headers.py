"""What the headers of a split's images and label files say: sizes, EXIF turns, pixel formats, damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from densevision.data.sizes import EXIF, describe_size, size_as_read
from densevision.image_header import ImageHeader
from densevision.images import read_header
from densevision.segmentation.files import read_files
from densevision.segmentation.label_files import LabelHeader, read_label_header


@dataclass
class Headers:
    """What the headers of a split's files say.

    Attributes:
        exif: "apply" or "ignore" the turn that an image's EXIF tag asks for.
        damaged: index -> what is wrong with a file that can't be read.
        sizes: (height, width) of the images as they are read.
        turned: images with such a tag.
        unsure: those of them that have the same size either way.
        misfits: one line per label file that differs in size from its image.
        right_turns: turned images whose label files show by their size that the turn is read as it should be.
        wrong_turns: those whose label files fit the image read the other way.
        kinds: pixel format of the label files -> the first index with it.
        palette: of a label file, with its path.
        other_palette: path of the first label file that has another color for the same id.
    """

    exif: str
    damaged: dict[int, str] = field(default_factory=dict)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    turned: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    right_turns: int = 0
    wrong_turns: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    palette: tuple[bytes, str] = (b"", "")
    other_palette: str = ""

    def add_image(self, path: str, header: ImageHeader) -> None:
        """Note an image's size, and whether EXIF turns it."""
        self.sizes.add(size_as_read(header, self.exif))
        if header.orientation != 1:
            self.turned.append(path)
            if header.size == header.turned_size:
                self.unsure.append(path)

    def add_label(self, image: str, header: ImageHeader, path: str, label: LabelHeader) -> None:
        """Note a label file's palette, and whether it has the size of its image."""
        palette, _ = self.palette
        if palette[: len(label.palette)] != label.palette[: len(palette)]:
            self.other_palette = self.other_palette or path
        elif len(label.palette) > len(palette):
            self.palette = label.palette, path
        turns = header.size != header.turned_size
        if label.size == size_as_read(header, self.exif):
            self.right_turns += turns
            return
        self.wrong_turns += turns and label.size in (header.size, header.turned_size)
        self.misfits.append(
            f"{path} is {describe_size(label.size)}, its image {image} is read as "
            f"{describe_size(size_as_read(header, self.exif))}"
        )

    @property
    def _other_exif(self) -> str:
        return f"exif={EXIF[self.exif == 'apply']!r}"

    def notes(self) -> list[str]:
        """Name turned and damaged files, and label files of several formats or palettes."""
        notes = []
        if self.turned:
            way = "turned as" if self.exif == "apply" else "not turned as"
            note = f"{len(self.turned):,} images are {way} their EXIF tag says, label files are read as stored"
            if self.unsure:
                note += (
                    f"; whether that fits {len(self.unsure):,} of them can't be told by the size, look at "
                    f"{self.unsure[0]} ({self._other_exif} is the other way)"
                )
            notes.append(note)
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
        """Say that files can't be read, if so."""
        if not self.damaged:
            return None
        more = f" ({len(self.damaged) - 1:,} more can't be read)" if len(self.damaged) > 1 else ""
        return f"{self.damaged[min(self.damaged)]}{more}; repair the file, or remove image and label file"

    def size_fault(self) -> str | None:
        """Say that a label file has another size than its image, if so."""
        if not self.misfits:
            return None
        if self.wrong_turns < len(self.misfits):
            remedy = "labels must have the size of their image"
        elif self.right_turns:
            remedy = "others with an EXIF tag do fit, so no option reads all: save the images upright, without the tag"
        else:
            turn = "without" if self.exif == "apply" else "with"
            remedy = f"it fits {turn} the turn of the EXIF tag: set {self._other_exif} in the data set of the config"
        if len(self.misfits) == 1:
            return f"{self.misfits[0]}; {remedy}"
        several = f"{len(self.misfits):,} label files differ in size from their image"
        return f"{several}, the first: {self.misfits[0]}; {remedy}"


def read_headers(images: Sequence[str], labels: Sequence[str], exif: str) -> Headers:
    """Read the headers of all images and, where there are any, of their label files."""

    def read(index: int) -> tuple[ImageHeader, LabelHeader | None] | str:
        try:
            return read_header(str(images[index])), read_label_header(str(labels[index])) if len(labels) else None
        except OSError as error:
            return str(error)

    found = Headers(exif)
    for index, result in enumerate(read_files(read, range(len(images)))):
        if isinstance(result, str):
            found.damaged[index] = result
            continue
        image, label = result
        found.add_image(str(images[index]), image)
        if label is not None:
            found.add_label(str(images[index]), image, str(labels[index]), label)
            found.kinds.setdefault(label.kind, index)
    return found
