"""The image formats that are decoded, and what can be checked before: size, checksums, and whether the file is whole.

Decoders reserve memory for the size that a header states, or fill missing pixels with gray; so a file is checked first.
Neither a decoder nor Pillow is called here.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
MOST_PIXELS = 2**27  # 134 million: 400 MB as RGB
PILLOW_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")  # no program is ever started

Size = tuple[int, int]
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed byte, padding, nor a restart
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers with the size of the image
_BETWEEN_SCANS = {0x01, 0xC4, 0xCC, *range(0xD8, 0xF0), 0xFE}  # others interrupt the pixels
_MOST_SCANS = 100  # encoders write 10 or so; each takes the time of the whole image
_BLOCKS_PER_BYTE = 8  # a block of 64 pixels takes at least a bit
_DEFLATE = 1032  # bytes that a byte can stand for
_PLAIN_PARTS = (b"IHDR", b"IDAT", b"tEXt", b"pHYs", b"tIME")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the color type of a PNG
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,18})(?:\s|#[^\n]*\n)+(\d{1,18})")
_PAM = re.compile(rb"P7\s(?:[A-Z#][^\n]*\n)*?WIDTH +(\d{1,18})\s(?:[A-Z#][^\n]*\n)*?HEIGHT +(\d{1,18})\s")


class CutShortError(OSError):
    """The end of an image file is missing."""


class DamagedError(OSError):
    """An image file can't be decoded, or would be decoded to other pixels than were written."""


def find_format(data: bytes) -> str | None:
    """Return the name of a file's format by its first bytes; None for all that is not decoded."""
    return next((name for name, (start, _) in _FORMATS.items() if start.match(data)), None)


def check_file(data: bytes) -> None:
    """Check that a file is of a known format, of a possible size, and whole, without decoding it.

    Raises:
        CutShortError: its end is missing.
        DamagedError: it is no such file.
    """
    name = find_format(data)
    size = None if name is None else _FORMATS[name][1](data)
    if size is None:
        raise DamagedError(explain_unreadable(data))
    check_size(size)
    if name == "PNG":
        _check_png(data)
    elif name == "JPEG":
        _check_jpeg(data, size)
    elif name == "BMP":
        _check_bmp(data, size)


def check_size(size: Size) -> None:
    """Raise a DamagedError if an image of (height, width) is empty or too large."""
    height, width = size
    if height < 1 or width < 1:
        raise DamagedError(f"its header states a size of {width}x{height}")
    if height * width > MOST_PIXELS:
        raise DamagedError(
            f"its header states {width}x{height} pixels, more than {MOST_PIXELS // 10**6} million; "
            "cut or reduce it if it is an image of this size"
        )


def jpeg_end(data: bytes) -> int | None:
    """Return the position where the first image of a JPEG file ends; None without an end marker.

    A phone's "motion photo" has a video after the image, a stereo photo has a second image, and EXIF can have a
    thumbnail with its own end marker.
    """
    return next((position for marker, position in _jpeg_markers(data) if marker == JPEG_END[1]), None)


def png_fault(data: bytes) -> str:
    """Return what is wrong with the parts of a PNG and their checksums; empty if nothing is."""
    position, packed = len(PNG_START), 0
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 8 + length
        if end + 4 > len(data):
            return "cut short"
        kind = data[position + 4 : position + 8]
        if zlib.crc32(memoryview(data)[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return f"damaged: the checksum of its part {kind.decode('latin1')!r} is wrong"
        if kind == b"IEND":
            return "cut short: its header states more pixels" if packed * _DEFLATE < _png_bytes(data) else ""
        packed += length if kind in (b"IDAT", b"fdAT") else 0
        position = end + 4
    return "cut short"


def is_gray_png(data: bytes) -> bool:
    """Return whether a checked file is a PNG of 8 bits of gray, without palette, transparency, profile or animation."""
    if not data.startswith(PNG_START) or data[24:26] != b"\x08\0":
        return False
    position = len(PNG_START)
    while position < len(data):
        if (kind := data[position + 4 : position + 8]) == b"IEND":
            return True
        if kind not in _PLAIN_PARTS:
            return False
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False


def _png_bytes(data: bytes) -> int:
    """Return the bytes of the pixels that a PNG's header states, before they are packed; a lower bound."""
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    bits = depth * _CHANNELS.get(color, 1)
    return int(height * (width * bits // 8)) - _DEFLATE


def _check_png(data: bytes) -> None:
    fault = png_fault(data)
    if fault:
        error = CutShortError if fault.startswith("cut short") else DamagedError
        raise error(f"the PNG is {fault}")


def _check_jpeg(data: bytes, size: Size) -> None:
    """Refuse a JPEG whose pixels are interrupted, or that would take a decoder minutes."""
    scans, blocks = 0, size[0] * size[1] // 64
    for marker, _ in _jpeg_markers(data):
        scans += marker == 0xDA
        if scans > _MOST_SCANS:
            raise DamagedError(f"the JPEG has more than {_MOST_SCANS} scans; save it again")
        if scans and marker not in _BETWEEN_SCANS:
            raise DamagedError("the JPEG is damaged: its pixels are interrupted")
        if marker in _FRAMES and marker <= 0xC2 and blocks > _BLOCKS_PER_BYTE * len(data):
            raise CutShortError("the JPEG is cut short: its header states more pixels")


def _check_bmp(data: bytes, size: Size) -> None:
    """Check that a BMP without compression has the bytes of its pixels; decoders fill missing ones for seconds."""
    old = data[14:18] == b"\x0c\0\0\0"
    bits, compression = _unpack("<H", data, 24 if old else 28), (0,) if old else _unpack("<I", data, 30)
    start = _unpack("<I", data, 10)
    if bits is None or compression is None or start is None:
        raise CutShortError("the BMP is cut short")
    row = (bits[0] * size[1] + 31) // 32 * 4
    if compression[0] in (0, 3, 6) and len(data) + 3 < start[0] + row * size[0]:  # 3: padding of the last
        raise CutShortError("the BMP is cut short: it has fewer bytes than its pixels")


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker of a JPEG's first image, with the position after it."""
    position = len(JPEG_START) - 1
    while found := _MARKER.search(data, position):
        marker, position = data[found.end() - 1], found.end()
        yield marker, position
        if marker == JPEG_END[1]:
            return
        if marker not in (0x01, JPEG_START[1]):
            position += int.from_bytes(data[position : position + 2], "big")


def explain_unreadable(data: bytes) -> str:
    """Return what a file is that can't be decoded as an image, given its content."""
    if not data:
        return "the file is empty"
    if data[4:8] == b"ftyp":
        kind = data[8:12].decode("latin1").strip()
        known = {"heic": "a HEIC photo", "heix": "a HEIC photo", "mif1": "a HEIF photo", "avif": "an AVIF image"}
        return f"{known.get(kind, f'a {kind!r} video or image')}, which can't be read; convert it to JPEG or PNG"
    kinds = (what for start, what in _OTHER_KINDS.items() if data[:1000].lstrip().startswith(start))
    return next(kinds, "not a readable image")


def _jpeg_size(data: bytes) -> Size | None:
    for marker, position in _jpeg_markers(data):
        if marker in _FRAMES:
            return _pair(">HH", data, position + 3)
    return None


def _bmp_size(data: bytes) -> Size | None:
    old = data[14:18] == b"\x0c\0\0\0"  # of OS/2
    size = _pair("<HH" if old else "<ii", data, 18)
    return size and (abs(size[1]), size[0])  # a negative height counts from the top


def _webp_size(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        width, height = (int.from_bytes(data[place : place + 3], "little") + 1 for place in (24, 27))
        return height, width
    if kind == b"VP8L" and (packed := _unpack("<I", data, 21)):
        return (packed[0] >> 14 & 0x3FFF) + 1, (packed[0] & 0x3FFF) + 1
    size = _pair("<HH", data, 26) if kind == b"VP8 " else None
    return size and (size[1] & 0x3FFF, size[0] & 0x3FFF)


def _tiff_size(data: bytes) -> Size | None:
    """Read ImageWidth and ImageLength of the first directory, also of a BigTIFF."""
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    start = _unpack(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)
    count = start and _unpack(f"{order}Q" if big else f"{order}H", data, start[0])
    if not start or not count:
        return None
    entry, found = (20 if big else 12), dict[int, int]()
    first = start[0] + (8 if big else 2)
    for place in range(first, min(first + entry * min(count[0], 65535), len(data) - entry + 1), entry):
        tag, kind = struct.unpack_from(f"{order}HH", data, place)
        number = _unpack(f"{order}{_TIFF_NUMBERS.get(kind, 'I')}", data, place + (12 if big else 8))
        if tag in (256, 257) and kind in _TIFF_NUMBERS and number is not None:
            found[tag] = number[0]
    return (found[257], found[256]) if len(found) == 2 else None


def _pnm_size(data: bytes) -> Size | None:
    found = _PNM.match(data, 0, 1000) or _PAM.match(data, 0, 1000)
    return None if found is None else (int(found[2]), int(found[1]))


def _jpeg2000_size(data: bytes) -> Size | None:
    """Read the largest of the sizes that the file states, in its code stream and around it."""
    stream = data.find(b"\xff\x4f\xff\x51")
    sizes = [_pair(">II", data, stream + 8)] if stream >= 0 else []
    box = data.find(b"ihdr", 0, 1000)
    sizes += [_swapped(_pair(">II", data, box + 4))] if box >= 0 else []
    return _swapped(max((one for one in sizes if one), key=lambda one: one[0] * one[1], default=None))


def _avif_size(data: bytes) -> Size | None:
    sizes = [_pair(">II", data, found.end() + 4) for found in re.finditer(b"ispe", data[:65536])]
    return _swapped(max((one for one in sizes if one), key=lambda one: one[0] * one[1], default=None))


def _swapped(size: Size | None) -> Size | None:
    return None if size is None else (size[1], size[0])


def _pair(form: str, data: bytes, place: int) -> Size | None:
    found = _unpack(form, data, place)
    return None if found is None else (found[0], found[1])


def _unpack(form: str, data: bytes, place: int) -> tuple[int, ...] | None:
    """Unpack numbers; None where the file is too short."""
    return struct.unpack_from(form, data, place) if 0 <= place <= len(data) - struct.calcsize(form) else None


_TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}
_OTHER_KINDS = {
    b"version https://git-lfs": "a Git LFS pointer; run git lfs pull",
    b"<": "a web page or XML, not an image; download it again",
    b"PK\x03\x04": "a zip archive, not an image",
    b"%PDF": "a PDF, not an image",
    b"%!PS": "a PostScript file, not an image",
    b"\xc5\xd0\xd3\xc6": "a PostScript file, not an image",
}
# What is decoded: format -> its first bytes, and how to read the (height, width) that it states.
_FORMATS: dict[str, tuple[re.Pattern[bytes], Callable[[bytes], Size | None]]] = {
    "JPEG": (re.compile(JPEG_START), _jpeg_size),
    "PNG": (re.compile(PNG_START + rb"\0\0\0\rIHDR"), lambda data: _swapped(_pair(">II", data, 16))),
    "BMP": (re.compile(b"BM"), _bmp_size),
    "TIFF": (re.compile(rb"II[*+]\0|MM\0[*+]"), _tiff_size),
    "WebP": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), _webp_size),
    "GIF": (re.compile(b"GIF8[79]a"), lambda data: _swapped(_pair("<HH", data, 6))),
    "PNM": (re.compile(rb"P[1-7]\s"), _pnm_size),
    "JPEG 2000": (re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), _jpeg2000_size),
    "AVIF": (re.compile(rb".{4}ftypavi[fs]", re.DOTALL), _avif_size),
}
