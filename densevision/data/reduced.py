"""Decode a JPEG at a half, a quarter or an eighth of its size, where more is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from densevision.image_formats import JPEG_START
from densevision.image_header import parse_header
from densevision.images import decode_image, read_file

_FACTORS = (8, 4, 2)


def read_reduced(
    path: str | Path, least: Sequence[float], *, apply_exif: bool = True
) -> tuple[np.ndarray, tuple[int, int]]:
    """Read an image, a JPEG at the smallest of its sizes that is large enough.

    Args:
        least: (height, width) that the result must have, unless the file has less.
        apply_exif: as for ``read_image``.
    Returns:
        [H, W, 3] uint8 RGB, and the (height, width) of the whole image, turned as the pixels are.
    Raises:
        OSError: as ``read_image``.
    """
    data = read_file(path)
    header = parse_header(data.tobytes()) if data[: len(JPEG_START)].tobytes() == JPEG_START else None
    if header is None:
        image = decode_image(path, data, apply_exif=apply_exif)
        return image, image.shape[:2]
    size = header.turned_size if apply_exif else header.size
    factor = reduction(size, least)
    return decode_image(path, data, apply_exif=apply_exif, shrink=factor), size


def reduction(size: Sequence[int], least: Sequence[float]) -> int:
    """Return 8, 4, 2 or 1, the largest number by which (height, width) can be divided and is not below ``least``."""
    return next((f for f in _FACTORS if all(s >= f * low for s, low in zip(size, least, strict=True))), 1)
