"""Label files: one id per pixel."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from densevision.errors import UserError
from densevision.image_formats import CutShortError, DamagedError, check_file, is_gray_png
from densevision.image_header import open_with_pillow
from densevision.images import read_file

_WHITE_16 = 65535  # of 16 bits: the object of a binary mask, or ignored, as 255 is of 8 bits
_COLOR_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


@dataclass(frozen=True)
class LabelHeader:
    """The properties of a label file before its pixels are decoded.

    Attributes:
        size: (height, width).
        kind: file and pixel format, "PNG L".
        palette: colors of a palette image, 3 bytes per id, else empty.
    """

    size: tuple[int, int]
    kind: str
    palette: bytes = b""


def read_label_header(path: str | Path) -> LabelHeader:
    """Read size and pixel format of a label file.

    Raises:
        OSError: the file is missing or is not an image.
    """
    with _opened(path, _read(path)) as image:
        palette = image.palette.palette if image.mode == "P" and image.palette else b""
        return LabelHeader((image.height, image.width), f"{image.format} {image.mode}", bytes(palette))


def read_label_ids(path: str | Path) -> np.ndarray:
    """Read a label image as [H, W] uint8 ids.

    The ids are the indices of a palette image, or the value of equal channels of a color image. White of 16 bits,
    65535, is 255.

    Raises:
        OSError: the file is missing or damaged.
        UserError: the file is a color image or a JPEG, or has values other than ids 0..255.
    """
    content = _read(path)
    if is_gray_png(content):  # faster than Pillow; of a palette, OpenCV would return the brightness of the colors
        ids = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if ids is None:
            raise DamagedError(f"{path}: the pixels of the PNG are damaged or incomplete")
        return ids
    with _opened(path, content) as image:
        kind, mode, deep = image.format, image.mode, ";16" in str(getattr(image, "tile", ""))
        ids = np.asarray(image)
    _refuse_jpeg(path, kind)
    if ids.ndim == 3:
        ids = _equal_channels(path, ids, mode, deep=deep)
    return ids if ids.dtype == np.uint8 else _to_bytes(path, ids)


def read_label_colors(path: str | Path) -> np.ndarray:
    """Read a label image as [H, W] uint32 packed colors: palettes are resolved, and transparent pixels are black.

    Raises:
        OSError: the file is missing or damaged.
        UserError: the file is a JPEG, or has no RGB colors.
    """
    with _opened(path, _read(path)) as image:
        kind, mode = image.format, image.mode
        pixels = np.array(image.convert("RGBA")) if mode in _COLOR_MODES else None
    _refuse_jpeg(path, kind)
    if pixels is None:
        raise UserError(f"{path} has pixels of the kind {mode}, not RGB colors; save it as an RGB or palette PNG")
    packed = pixels.view("<u4")[..., 0]
    if mode in ("RGB", "L", "1"):
        return packed & 0xFFFFFF
    return np.where(packed >> 24, packed & 0xFFFFFF, np.uint32(0))


def pack_color(color: tuple[int, int, int]) -> int:
    """Return (red, green, blue) as one number, 0xBBGGRR."""
    red, green, blue = color
    return red | green << 8 | blue << 16


def unpack_color(packed: int) -> tuple[int, int, int]:
    """Return (red, green, blue) of a packed color."""
    return int(packed) & 255, int(packed) >> 8 & 255, int(packed) >> 16


def _refuse_jpeg(path: str | Path, kind: str | None) -> None:
    if kind in ("JPEG", "MPO"):
        raise UserError(f"{path} is a JPEG, which changes ids when it compresses; save label files as PNG")


class ColorFault(UserError):
    """A label image has colors or transparency instead of ids."""


def _read(path: str | Path) -> bytes:
    """Read a label file, and check it as far as that goes without decoding it."""
    try:
        content = read_file(path).tobytes()
    except FileNotFoundError as error:
        raise OSError(f"{path}: no such file") from error
    try:
        check_file(content)
    except (CutShortError, DamagedError) as error:
        raise DamagedError(f"{path}: {error}") from error
    return content


@contextmanager
def _opened(path: str | Path, content: bytes) -> Iterator[Image.Image]:
    try:
        with open_with_pillow(io.BytesIO(content)) as image:
            yield image
    except (UserError, MemoryError):
        raise
    except (CutShortError, DamagedError) as error:
        raise DamagedError(f"{path}: {error}") from error
    except Exception as error:  # Pillow documents no list of what it raises for damaged files
        raise DamagedError(f"{path}: not a readable label image ({error})") from error


def _equal_channels(path: str | Path, channels: np.ndarray, mode: str, *, deep: bool) -> np.ndarray:
    """Return the one id per pixel of an image [H, W, C] whose color channels agree."""
    opaque = True
    if mode[-1] in "Aa":
        opaque, channels = bool((channels[..., -1] == 255).all()), channels[..., :-1]
    if not (channels == channels[..., :1]).all():
        raise ColorFault(
            f"{path} is a color image ({mode}); label files have one id per pixel, or give its colors to "
            "MaskDataset: colors=dict(name=(r, g, b))"
        )
    if deep:  # Pillow discards the lower byte
        raise UserError(f"{path} has 16 bits per channel ({mode}); save it with one channel of 8 bits")
    if not opaque:
        raise ColorFault(f"{path} has transparent pixels ({mode}); save it without alpha, one id per pixel")
    return np.ascontiguousarray(channels[..., 0])


def _to_bytes(path: str | Path, ids: np.ndarray) -> np.ndarray:
    if ids.dtype.kind == "f" and not (ids == np.floor(ids)).all():  # also NaN
        raise UserError(f"{path} contains fractions or NaN; label files have whole numbers")
    if ids.dtype == np.uint16 and (ids == _WHITE_16).any() and ids[ids < _WHITE_16].max(initial=0) < 255:
        ids = np.where(ids == _WHITE_16, np.uint16(255), ids)
    if ids.max(initial=0) > 255:
        raise UserError(f"{path} contains ids up to {ids.max()}, but label ids end at 255; is it an instanceIds file?")
    if ids.min(initial=0) < 0:
        raise UserError(f"{path} contains the id {ids.min()}; label ids are 0..255, and 255 is ignored by convention")
    return ids.astype(np.uint8)
