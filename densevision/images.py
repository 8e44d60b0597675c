"""Images: RGB, uint8, [H, W, 3]; read from files, checked, resized and written."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from densevision.errors import UserError, as_path
from densevision.image_formats import (
    JPEG_END,
    JPEG_START,
    PNG_END,
    PNG_START,
    CutShortError,
    DamagedError,
    check_file,
    explain_unreadable,
    jpeg_end,
)
from densevision.image_header import ImageHeader, has_all_pixels, parse_header

__all__ = [
    "IMAGE_SUFFIXES",
    "CutShortError",
    "DamagedError",
    "ImageHeader",
    "as_image",
    "check_image",
    "decode_image",
    "encode_image",
    "explain_unreadable",
    "read_file",
    "read_header",
    "read_image",
    "resize_image",
    "shrink_image",
    "write_image",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_HEAD = 65536  # bytes with size and orientation, except in files with a large thumbnail or color profile
_MOST_BYTES = 2**30
_PIL_MODES = ("1", "L", "P", "RGB", "LA", "PA", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")  # of 8 bits or less
_SHRUNK = {  # of a JPEG, which OpenCV decodes to RGB directly
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def read_image(path: str | Path, *, apply_exif: bool = True) -> np.ndarray:
    """Read an image as [H, W, 3] uint8 RGB.

    Args:
        path: JPEG, PNG, BMP, TIFF, WebP, GIF, PNM, JPEG 2000, and AVIF where OpenCV has it; of a file with several
            images, the first is read.
        apply_exif: rotate the image as its EXIF tag says; False returns the pixels as they are stored.
    Raises:
        CutShortError, DamagedError: it is not an image, cut short, damaged, or of more pixels than are decoded. OpenCV
            returns a gray-filled image for half a JPEG.
        OSError: the file is missing or can't be read.
    """
    return decode_image(path, read_file(path), apply_exif=apply_exif)


def read_file(path: str | Path) -> np.ndarray:
    """Read the bytes of an image file, [B] uint8.

    Raises:
        OSError: there is no such file, or it is a folder, a device or larger than a gigabyte.
    """
    _check_regular(path)
    return np.fromfile(path, np.uint8)


def _check_regular(path: str | Path) -> None:
    """Refuse what could be read for ever, or would fill the memory."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path}: {'a folder' if stat.S_ISDIR(status.st_mode) else 'a device or a pipe'}, not an image")
    if status.st_size > _MOST_BYTES:
        raise DamagedError(f"{path}: a file of {status.st_size / 2**30:.1f} GB, too large for an image")


def decode_image(path: str | Path, data: np.ndarray, *, apply_exif: bool = True, shrink: int = 1) -> np.ndarray:
    """Decode the content of an image file as [H, W, 3] uint8 RGB.

    Args:
        path: for messages.
        data: from ``read_file``.
        apply_exif: as for ``read_image``.
        shrink: 2, 4 or 8 decode a JPEG at that part of its size, rounded up; an eighth takes a third of the time.
    Raises:
        CutShortError: the end of the file is missing.
        DamagedError: it is not an image, damaged, or of more pixels than are decoded.
    """
    content = data.tobytes()
    try:
        check_file(content)
    except (CutShortError, DamagedError) as error:
        raise type(error)(f"{path}: {error}") from None
    is_jpeg = content.startswith(JPEG_START)
    if is_jpeg and not content.endswith(JPEG_END):
        data = _whole_jpeg(path, content)
    flags = _SHRUNK[shrink] if is_jpeg else cv2.IMREAD_COLOR
    image = _decode(data, flags if apply_exif else flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise DamagedError(f"{path}: {explain_unreadable(content)}")
    return image if is_jpeg else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decode(data: np.ndarray, flags: int) -> np.ndarray | None:
    """Return what OpenCV decodes, None where it can't; only the lack of memory is another error."""
    try:
        return cv2.imdecode(data, flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from error
        return None


def read_header(path: str | Path) -> ImageHeader:
    """Read size and EXIF orientation of an image file without decoding it, and check its end.

    Raises:
        OSError: as ``read_image``; damage inside the file shows only when it is decoded.
    """
    _check_regular(path)
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        file.seek(max(file.seek(0, os.SEEK_END) - 8, 0))
        tail = file.read()
    has_end_mark = head.startswith((JPEG_START, PNG_START))
    whole = not has_end_mark or tail.endswith((JPEG_END, PNG_END))
    header = parse_header(head) if has_end_mark and whole else None
    header = header or parse_header(read_file(path).tobytes())
    if header and whole:
        return header
    height, width = read_image(path, apply_exif=False).shape[:2]
    return ImageHeader((height, width), header.orientation if header else 1)


def as_image(image: object, *, bgr: bool = False) -> np.ndarray:
    """Return an image that a user gave as [H, W, 3] uint8 RGB.

    Args:
        image: a path; [H, W, 3] uint8; or a PIL image of 8 bits per channel, which is converted to RGB (transparency
            is dropped) and rotated as its EXIF tag says.
        bgr: the array's channels are in OpenCV's order.
    Raises:
        UserError: anything else; the message names what came and the remedy.
    """
    if isinstance(image, str | Path):
        if bgr:
            raise UserError(f"{image}: bgr=True is for arrays; a file is read as RGB, so leave bgr out")
        if "://" in str(image):
            raise UserError(f"{image}: an address, not a file; download it first")
        try:
            return read_image(as_path(image, "image"))
        except OSError as error:
            raise UserError(f"{image}: {error.strerror}" if error.strerror else str(error)) from error
    pil = sys.modules.get("PIL.Image")  # a program with a PIL image has imported it
    if pil is not None and isinstance(image, pil.Image):
        if bgr:
            raise UserError("bgr=True is for arrays; a PIL image states its channels itself, so leave bgr out")
        return _from_pil(image)
    checked = check_image(image)
    return np.ascontiguousarray(checked[..., ::-1]) if bgr else checked


def _from_pil(image: Any) -> np.ndarray:
    from PIL import ImageOps

    if image.mode not in _PIL_MODES:
        raise UserError(f"the PIL image has the mode {image.mode}; scale it to 8 bits, then convert it to RGB")
    try:
        return check_image(np.array(ImageOps.exif_transpose(image).convert("RGB")))
    except (OSError, ValueError) as error:  # PIL reads the pixels of a file at first use
        raise UserError(f"the PIL image can't be read: {error}; open a whole file, and keep it open") from error


def check_image(image: object) -> np.ndarray:
    """Return an array [H, W, 3] uint8 as it is, or copied where its memory is not contiguous.

    Raises:
        UserError: anything else; the message names what came and the remedy.
    """
    if image is None:
        raise UserError("the image is None, which cv2.imread returns for a file that it can't read; give its path")
    if not isinstance(image, np.ndarray):
        raise UserError(f"the image is of type {type(image).__name__}; give a path, a NumPy array or a PIL image")
    if fault := _fault(image.dtype, image.shape):
        shape = "x".join(map(str, image.shape)) or "a single value"
        raise UserError(f"the image is {image.dtype} {shape}, not uint8 [H, W, 3] RGB; {fault}")
    return np.ascontiguousarray(image)


def _fault(dtype: np.dtype, shape: tuple[int, ...]) -> str | None:
    """Return the remedy for an array that is not an image, or None."""
    if 0 in shape:
        return "it has no pixels"
    if dtype.kind == "f":
        return "convert it: (255 * image).round().astype(np.uint8) for values in 0..1"
    if dtype != np.uint8:
        return "scale it to 0..255, then image.astype(np.uint8)"
    if len(shape) == 2:
        return "stack it: np.stack([image] * 3, axis=-1)"
    if len(shape) == 4:
        return "give one image at a time, image[0]"
    if len(shape) != 3:
        return "give an array with height, width and channels"
    if shape[2] == 4:
        return "drop the transparency: image[..., :3]"
    if shape[2] != 3 and shape[0] == 3:
        return "move the channels to the end: image.transpose(1, 2, 0)"
    return None if shape[2] == 3 else "give 3 channels, red, green and blue"


def _whole_jpeg(path: str | Path, data: bytes) -> np.ndarray:
    """Return a JPEG's first image, with its end marker added where nothing else is missing."""
    end = jpeg_end(data)
    if end is None:
        if not has_all_pixels(data):
            raise CutShortError(f"{path}: the JPEG is cut short")
        data = data.rstrip(b"\xff") + JPEG_END
    return np.frombuffer(data[:end], np.uint8)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB (or [H, W] uint8); the suffix chooses the format; missing folders are created.

    Raises:
        OSError: the file can't be written, or the suffix names no image format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(encode_image(image, path.suffix))
    except ValueError as error:
        raise OSError(f"{path}: {error}") from error


def encode_image(image: np.ndarray, suffix: str = ".png") -> bytes:
    """Return the content of an image file.

    Args:
        image: [H, W, 3] uint8 RGB, or [H, W] uint8.
        suffix: chooses the format.
    Raises:
        ValueError: the suffix names no image format.
    """
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    try:
        encoded, data = cv2.imencode(suffix, pixels)
    except cv2.error:
        encoded = False
    if not encoded:
        raise ValueError(f"{suffix or 'no suffix'!r} names no image format")
    return data.tobytes()


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize [H, W, 3] uint8 or float32 to ``size`` = (height, width), bilinear; the aspect ratio may change."""
    if image.shape[:2] == tuple(size):
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def fit_image(image: np.ndarray, size: tuple[int, int], center_crop: float | None = None) -> np.ndarray:
    """Resize an image, or the largest central part of it with the aspect ratio of ``size``.

    Args:
        image: [H, W, 3] uint8.
        size: (height, width) of the result.
        center_crop: share of that part's sides that is kept, such as 0.875; None takes the whole image.
    """
    if center_crop is None:
        return resize_image(image, size)
    scale = center_crop * min(side / wanted for side, wanted in zip(image.shape[:2], size, strict=True))
    height, width = (max(1, round(scale * wanted)) for wanted in size)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return resize_image(np.ascontiguousarray(image[top : top + height, left : left + width]), size)


def shrink_image(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Resize [H, W, 3] uint8 to at most ``side`` pixels on the longer side, for drawing; return it and the scale."""
    scale = min(1.0, side / max(image.shape[:2]))
    width, height = (max(1, round(scale * pixels)) for pixels in image.shape[1::-1])
    return (cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) if scale < 1 else image), scale
