"""Compare the size that annotations were made for with the size that an image is read with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.errors import UserError
from densevision.images import ImageHeader, read_header

EXIF = ("apply", "ignore")
SAMPLE = 1000  # training images whose headers are read before training


@dataclass(frozen=True)
class Annotated:
    """One image as its annotations describe it.

    Attributes:
        path: path of the image file.
        size: (height, width), (0, 0) where the annotations do not give it.
        objects: whether there are annotated objects.
    """

    path: str
    size: tuple[int, int]
    objects: bool


def check_exif(exif: str) -> None:
    """Check the option ``exif`` of a data set."""
    if exif not in EXIF:
        raise UserError(f"exif is {exif!r}; it is 'apply' or 'ignore'")


def size_as_read(header: ImageHeader, exif: str) -> tuple[int, int]:
    """Return the (height, width) that ``read_image`` gives with the option ``exif``, "apply" or "ignore"."""
    return header.turned_size if exif == "apply" else header.size


def other_exif(exif: str) -> str:
    """Return the other value of the option, as ``exif='ignore'``."""
    return f"exif={EXIF[exif == 'apply']!r}"


def size_fault(image: Annotated, header: ImageHeader, exif: str) -> str | None:
    """Describe the difference between the annotated size and the size as read, with the remedy; None if equal."""
    read, other = size_as_read(header, exif), size_as_read(header, EXIF[exif == "apply"])
    if image.size in ((0, 0), read):
        return None
    annotated = f"{image.path} is annotated as {describe_size(image.size)} (width x height)"
    if image.size == other:
        cause = "its EXIF tag rotates it to" if exif == "apply" else "without the rotation of its EXIF tag it is"
        return (
            f"{annotated}, but {cause} {describe_size(read)}: set {other_exif(exif)} in the data set of the config, "
            "or save the images upright"
        )
    cause = "width and height are swapped" if image.size == read[::-1] else "it was resized after it was annotated"
    return f"{annotated}, but it is {describe_size(read)}: maybe {cause}; correct the annotation file or the image"


def check_headers(images: Sequence[Annotated], exif: str, *, skip_damaged: bool) -> list[str]:
    """Read the headers of images, and compare their sizes with the annotations.

    Args:
        images: the images, with the sizes that their annotations give.
        exif: "apply" or "ignore" the rotation that an EXIF tag asks for.
        skip_damaged: skip an image that can't be read; otherwise it is an error.
    Returns:
        Notes to print.
    Raises:
        UserError: sizes differ, see ``size_fault``, or an image can't be read.
    """
    headers, unread = {}, []
    for image in images:
        try:
            headers[image] = read_header(image.path)
        except OSError as error:
            if not skip_damaged:
                raise UserError(f"{error}; fix or delete the image and its annotation") from error
            unread.append(image.path)
    faults = [fault for image, header in headers.items() if (fault := size_fault(image, header, exif))]
    if faults:
        raise UserError(
            f"{len(faults)} of {len(images)} images do not have the size of their annotations; "
            f"{'the first, ' if len(faults) > 1 else ''}{faults[0]}"
        )
    notes = [f"{len(unread)} images can't be read and will be skipped, the first is {unread[0]}"] if unread else []
    rotated = [i for i, header in headers.items() if header.orientation != 1 and i.objects]
    unsure = [i.path for i in rotated if i.size == (0, 0) or headers[i].size == headers[i].turned_size]
    return notes + exif_notes(len(rotated), unsure, exif)


def exif_notes(rotated: int, unsure: Sequence[str], exif: str) -> list[str]:
    """Describe how images with a rotation in their EXIF tag are read.

    Args:
        rotated: number of images with such a tag.
        unsure: paths of those whose size does not show whether their annotations are rotated too.
        exif: "apply" or "ignore" the tag.
    """
    if not rotated:
        return []
    how = "rotated by their EXIF tag" if exif == "apply" else "as stored, without the rotation of their EXIF tag"
    if not unsure:
        return [f"{rotated:,} images are read {how}, which fits the size of their annotations"]
    return [
        f"{rotated:,} images are read {how}",
        f"the size of {len(unsure):,} of them does not show whether their annotations are rotated too: check "
        f"{Path(unsure[0]).name}, and set {other_exif(exif)} if its annotations do not fit",
    ]


def even_sample(count: int, most: int = SAMPLE) -> list[int]:
    """Return at most ``most`` indices, evenly spread over ``count``."""
    taken = min(count, most)
    return [index * count // taken for index in range(taken)]


def describe_size(size: Sequence[int]) -> str:
    """Write (height, width) as "WIDTHxHEIGHT"."""
    return f"{size[1]}x{size[0]}"
