"""Image files in and out: RGB, uint8, [H, W, 3]."""

import os
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # faults are raised as exceptions, with the file's name
import cv2  # noqa: E402
import numpy as np  # noqa: E402

from densevision.image_header import (  # noqa: E402
    JPEG_END,
    JPEG_START,
    PNG_END,
    PNG_START,
    ImageHeader,
    has_all_pixels,
    jpeg_end,
    parse_header,
)

__all__ = ["ImageHeader", "explain_unreadable", "read_header", "read_image", "resize_image", "write_image"]

_HEAD = 65536  # bytes that hold size and orientation, but for files with a large thumbnail or color profile
_OTHER_KINDS = {
    b"version https://git-lfs": "a Git LFS pointer; run git lfs pull",
    b"<": "a web page or XML, not an image; download it again",
    b"PK\x03\x04": "a zip archive, not an image",
    b"%PDF": "a PDF, not an image",
}


def read_image(path: str | Path, *, apply_exif: bool = True) -> np.ndarray:
    """Read an image as [H, W, 3] uint8 RGB.

    Args:
        path: of any format that OpenCV decodes; of several images in one file it is the first.
        apply_exif: turn the image as its EXIF tag says; False returns the pixels as they are stored.
    Raises:
        OSError: the file is missing, not an image or cut short. OpenCV 4 returns a gray-filled image for half a
            JPEG.
    """
    if Path(path).is_dir():
        raise OSError(f"{path}: a folder, not an image")
    data = np.fromfile(path, np.uint8)
    start, end = data[:8].tobytes(), data[-8:].tobytes()
    if start.startswith(JPEG_START) and not end.endswith(JPEG_END):
        data = _whole_jpeg(path, data.tobytes())
    if start == PNG_START and end != PNG_END and PNG_END not in data.tobytes():
        raise OSError(f"{path}: the PNG is cut short")
    flags = cv2.IMREAD_COLOR if apply_exif else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error:
        image = None
    if image is None:
        raise OSError(f"{path}: {explain_unreadable(data.tobytes())}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_header(path: str | Path) -> ImageHeader:
    """Read size and EXIF orientation of an image file without decoding it, and look at its end.

    Raises:
        OSError: as of ``read_image``; damage inside the file shows only when it is decoded.
    """
    if Path(path).is_dir():
        raise OSError(f"{path}: a folder, not an image")
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        file.seek(max(file.seek(0, os.SEEK_END) - 8, 0))
        tail = file.read()
    marked = head.startswith((JPEG_START, PNG_START))
    whole = not marked or tail.endswith((JPEG_END, PNG_END))
    header = parse_header(head) if marked and whole else None
    header = header or parse_header(Path(path).read_bytes())
    if header and whole:
        return header
    size = read_image(path, apply_exif=False).shape[:2]
    return ImageHeader(size, header.orientation if header else 1)


def _whole_jpeg(path: str | Path, data: bytes) -> np.ndarray:
    """Return a JPEG's first image, its end mark added where nothing else is missing."""
    end = jpeg_end(data)
    if end is None:
        if not has_all_pixels(data):
            raise OSError(f"{path}: the JPEG is cut short")
        data = data.rstrip(b"\xff") + JPEG_END
    return np.frombuffer(data[:end], np.uint8)


def explain_unreadable(data: bytes) -> str:
    """Say what a file is that no decoder takes for an image, given its content."""
    if not data:
        return "the file is empty"
    if data[4:8] == b"ftyp":
        kind = data[8:12].decode("latin1").strip()
        named = {"heic": "a HEIC photo", "heix": "a HEIC photo", "mif1": "a HEIF photo", "avif": "an AVIF image"}
        return f"{named.get(kind, f'a {kind!r} video or image')}, which can't be read; convert it to JPEG or PNG"
    kinds = (what for start, what in _OTHER_KINDS.items() if data.lstrip().startswith(start))
    return next(kinds, "not a readable image")


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB (or [H, W] uint8); the suffix chooses the format; folders are made.

    Raises:
        OSError: the file can't be written, or the suffix names no image format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    try:
        written, data = cv2.imencode(path.suffix, pixels)
    except cv2.error:
        written = False
    if not written:
        raise OSError(f"{path}: {path.suffix or 'no suffix'!r} names no image format")
    path.write_bytes(data.tobytes())


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize [H, W, 3] uint8 or float32 to ``size`` = (height, width), bilinear; the aspect ratio may change."""
    if image.shape[:2] == tuple(size):
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
