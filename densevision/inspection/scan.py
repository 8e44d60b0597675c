"""Read image files once, in parallel, and keep what the findings need."""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np

from densevision.image_formats import JPEG_START, PNG_START, jpeg_end
from densevision.image_header import ImageHeader, has_all_pixels, open_with_pillow, parse_header
from densevision.images import CutShortError, decode_image, read_file

_SHRINK = 256  # shorter side of a JPEG from which an eighth of its size shows enough
_LOOK = 16  # side of the thumbnail that near-duplicates are compared by
_BITS_PER_SAMPLE = 258  # TIFF tag
_FILL = 128  # gray with which libjpeg fills missing pixels
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ImageFacts:
    """What the file of an image is like.

    Attributes:
        path: of the file.
        fault: why it can't be read; empty if it can.
        cut_short: whether it can't be read because its end is missing.
        damage: what is wrong with the pixels of a file that can be read.
        header: size and EXIF orientation.
        mode: of Pillow, such as "RGB", "L", "CMYK".
        bits: per channel.
        frames: number of images in the file.
        content: digest of the bytes.
        pixels: digest of the size and of the decoded pixels, those of an eighth of the size for a JPEG.
        bright: 64 bits, each whether the image gets brighter from one cell of a grid to the next ("dHash").
        look: [16, 16] uint8 gray thumbnail.
    """

    path: str
    fault: str = ""
    cut_short: bool = False
    damage: str = ""
    header: ImageHeader = ImageHeader((0, 0))
    mode: str = ""
    bits: int = 8
    frames: int = 1
    content: bytes = b""
    pixels: bytes = b""
    bright: np.ndarray = field(default_factory=lambda: np.zeros(64, bool))
    look: np.ndarray = field(default_factory=lambda: np.zeros((_LOOK, _LOOK), np.uint8))


def map_parallel(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Call a function on each item in threads; decoding and digests release Python's lock."""
    with warnings.catch_warnings(), ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as threads:
        warnings.simplefilter("ignore")  # Pillow warns of large images and odd metadata, in any thread
        yield from threads.map(function, items)


def examine(path: str, *, apply_exif: bool = True) -> ImageFacts:
    """Read and decode an image file, and describe it."""
    try:
        data = read_file(path)
        header = parse_header(data.tobytes()) or ImageHeader((0, 0))
        image = decode_image(path, data, apply_exif=apply_exif, shrink=min(header.size) >= _SHRINK)
    except OSError as error:
        fault = error.strerror or str(error).removeprefix(f"{path}: ")
        return ImageFacts(path, fault=fault, cut_short=isinstance(error, CutShortError))
    if header.size == (0, 0):  # a format that only OpenCV reads
        header = ImageHeader(image.shape[:2])
    content = data.tobytes()
    mode, bits, frames, damage = _describe(content)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if content.startswith(JPEG_START) and _has_gray_end(gray, header):
        damage = _missing_rows(content)
    size = repr(image.shape).encode()
    return ImageFacts(
        path,
        damage=damage,
        header=header,
        mode=mode,
        bits=bits,
        frames=frames,
        content=hashlib.sha1(content, usedforsecurity=False).digest(),
        pixels=hashlib.sha1(size + image.tobytes(), usedforsecurity=False).digest(),
        bright=_gradient_signs(gray),
        look=cv2.resize(gray, (_LOOK, _LOOK), interpolation=cv2.INTER_AREA),
    )


def _describe(content: bytes) -> tuple[str, int, int, str]:
    """Return mode, bits per channel, number of frames, and damage that does not keep a file from being decoded."""
    try:
        image = open_with_pillow(io.BytesIO(content))
        frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
        if content.startswith(PNG_START):
            return image.mode, content[24], frames, ""
        if image.format == "TIFF":
            bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
            bits = max(bits) if isinstance(bits, tuple) else bits
        else:
            bits = 16 if image.mode.startswith("I;16") else 8
        if not content.startswith(JPEG_START):
            image.load()
        return image.mode, bits, frames, ""
    except Exception as error:  # Pillow documents no list of what it raises for damaged files
        return "", 8, 1, f"another reader finds it damaged ({' '.join(str(error).split())})"


def _has_gray_end(gray: np.ndarray, header: ImageHeader) -> bool:
    """Tell whether the last stored row has the color that stands for missing pixels."""
    if header.orientation >= 5:
        gray = gray.T
    return bool((np.abs(gray[[0, -1]].astype(int) - _FILL) <= 1).all(axis=1).any())


def _missing_rows(content: bytes) -> str:
    end = jpeg_end(content)
    scan = re.sub(rb"(\xff\xd9)+$", b"", content[:end]) if end else content
    return "" if has_all_pixels(scan) else "its last rows are missing, and gray stands for them"


def _gradient_signs(gray: np.ndarray) -> np.ndarray:
    small = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA).astype(int)
    return (small[:, 1:] > small[:, :-1]).reshape(64)
