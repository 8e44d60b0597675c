"""Read an image file without decoding it: size, EXIF orientation, and whether the file is complete."""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
from dataclasses import dataclass

JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed byte, padding, nor a restart
_ORIENTATION = 0x0112
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
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


def parse_header(data: bytes) -> ImageHeader | None:
    """Read size and orientation from a file's first bytes; None if they do not suffice or the format is unknown."""
    from PIL import Image

    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    if image.format == "TIFF":  # both Pillow and OpenCV rotate it when they open it
        return ImageHeader(image.size[::-1])
    return ImageHeader(image.size[::-1], _parse_exif(image.info.get("exif", b"").removeprefix(b"Exif\0\0")))


def jpeg_end(data: bytes) -> int | None:
    """Return the position where the first image of a JPEG file ends; None without an end marker.

    A phone's "motion photo" has a video after the image, a stereo photo has a second image, and EXIF can have a
    thumbnail with its own end marker.
    """
    position = len(JPEG_START) - 1
    while found := _MARKER.search(data, position):
        marker, position = data[found.end() - 1], found.end()
        if marker == JPEG_END[1]:
            return position
        if marker not in (0x01, JPEG_START[1]):
            position += int.from_bytes(data[position : position + 2], "big")
    return None


def has_all_pixels(data: bytes) -> bool:
    """Tell whether a JPEG without an end marker has all its pixels.

    If it has, a decoder ignores data appended to it; if not, the data changes the image.
    """
    try:
        from PIL import Image
    except ImportError:  # Pillow is not a runtime requirement
        return False
    scan = data.rstrip(b"\xff")
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large images are fine here
            plain, filled = (Image.open(io.BytesIO(scan + filler + JPEG_END)).tobytes() for filler in (b"", _FILLER))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
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
