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
    """One image as its annotations have it.

    Attributes:
        path: of the file.
        size: (height, width), (0, 0) where the annotations do not say.
        objects: something is annotated on it.
    """

    path: str
    size: tuple[int, int]
    objects: bool


def size_as_read(header: ImageHeader, exif: str) -> tuple[int, int]:
    """Return the (height, width) that ``read_image`` gives with the option ``exif``, "apply" or "ignore"."""
    return header.turned_size if exif == "apply" else header.size


def size_fault(image: Annotated, header: ImageHeader, exif: str) -> str | None:
    """Describe the fault where annotations were made for another size than the image is read with, with the remedy."""
    read, other = size_as_read(header, exif), size_as_read(header, EXIF[exif == "apply"])
    if image.size in ((0, 0), read):
        return None
    said = f"{image.path} is annotated as {describe_size(image.size)} (width x height)"
    if image.size == other:
        how = "its EXIF tag turns it to" if exif == "apply" else "its pixels, unturned, are"
        return (
            f"{said}, but {how} {describe_size(read)}: set exif={EXIF[exif == 'apply']!r} in the data set of the "
            "config, or write the images upright"
        )
    cause = "width and height are swapped" if image.size == read[::-1] else "it was resized after it was annotated"
    return f"{said}, but it is {describe_size(read)}: maybe {cause}; correct the annotation file or the image"


def check_headers(images: Sequence[Annotated], exif: str, *, skip_damaged: bool) -> list[str]:
    """Read the headers of images, compare their sizes, and note the ones that EXIF turns.

    Args:
        skip_damaged: pass over an image that can't be read; else it is an error.
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
    return notes + _exif_notes(headers, exif)


def _exif_notes(headers: dict[Annotated, ImageHeader], exif: str) -> list[str]:
    turned = {i: header for i, header in headers.items() if header.orientation != 1 and i.objects}
    if not turned:
        return []
    how = "as their EXIF tag turns them" if exif == "apply" else "as stored, without the turn of their EXIF tag"
    note = f"{len(turned)} of {len(headers)} images are read {how}"
    unsure = [i for i, header in turned.items() if i.size == (0, 0) or header.size == header.turned_size]
    if not unsure:
        return [note + ", which is the size that they are annotated with"]
    return [
        note,
        f"whether the annotations of {len(unsure)} of them are turned too can't be told by the size: look at "
        f"{Path(unsure[0].path).name}; exif={EXIF[exif == 'apply']!r} is the other way",
    ]


def even_sample(count: int, most: int = SAMPLE) -> list[int]:
    """Return at most ``most`` indices, evenly spread over ``count``."""
    taken = min(count, most)
    return [index * count // taken for index in range(taken)]


def describe_size(size: Sequence[int]) -> str:
    """Write (height, width) as "WIDTHxHEIGHT"."""
    return f"{size[1]}x{size[0]}"
