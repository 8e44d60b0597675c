"""Read an image file without decoding it: size, EXIF orientation, and whether the file is complete."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from densevision.image_formats import JPEG_END, PILLOW_FORMATS, check_size

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112
_WARNINGS_LOCK = threading.Lock()  # ``catch_warnings`` changes the whole process, and headers are read in threads
_FILLER = bytes((89 * i + 91) % 255 for i in range(2048))  # data that changes an image whose pixels are not complete


@dataclass(frozen=True)
class ImageHeader:
    """Size of the stored pixels (height, width), and the EXIF orientation: 1 is upright, 2 to 8 need a rotation."""

    size: tuple[int, int]
    orientation: int = 1

    @property
    def turned_size(self) -> tuple[int, int]:
        """(height, width) after the rotation of the EXIF tag, as ``read_image`` returns the image."""
        return self.size[::-1] if self.orientation >= 5 else self.size


def open_with_pillow(file: Any) -> Image:
    """Open an image file of a known format and possible size with Pillow, which decodes it at first use.

    Args:
        file: a path or an open file.
    Raises:
        Exception: Pillow documents no list of what it raises for a damaged file, here and at the first use.
    """
    from PIL import Image

    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large images are fine here
        image = Image.open(file, formats=PILLOW_FORMATS)
    check_size(image.size[::-1])
    return image


def parse_header(data: bytes) -> ImageHeader | None:
    """Read size and orientation from a file's first bytes; None if they do not suffice or the format is unknown."""
    try:
        image = open_with_pillow(io.BytesIO(data))
    except ImportError:
        raise
    except Exception:  # see ``open_with_pillow``
        return None
    if image.format == "TIFF":  # both Pillow and OpenCV rotate it when they open it
        return ImageHeader(image.size[::-1])
    return ImageHeader(image.size[::-1], _parse_exif(image.info.get("exif", b"").removeprefix(b"Exif\0\0")))


def has_all_pixels(data: bytes) -> bool:
    """Tell whether a JPEG without an end marker has all its pixels.

    If it has, a decoder ignores data appended to it; if not, the data changes the image.
    """
    scan = data.rstrip(b"\xff")
    try:
        plain, filled = (open_with_pillow(io.BytesIO(scan + filler + JPEG_END)).tobytes() for filler in (b"", _FILLER))
    except Exception:  # see ``open_with_pillow``; Pillow is not a runtime requirement either
        return False
    return plain == filled


def _parse_exif(data: bytes) -> int:
    """Return the orientation in the first directory of a TIFF block; 1 if it has none or is damaged.

    Parsed as in OpenCV, which rotates the pixels; Pillow reads some damaged blocks differently.
    """
    order = "<" if data.startswith(b"II") else ">"  # like OpenCV, treat everything but II as MM
    try:
        mark, start = struct.unpack_from(f"{order}HI", data, 2)
        if mark != 42:
            return 1
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", data, entry)[0] == _ORIENTATION:
                (value,) = struct.unpack_from(f"{order}H", data, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
