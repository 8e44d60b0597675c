"""Where frames come from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES, read_image

FOLDER_RATE = 10.0  # frames per second of a video made from a folder of images
_DEFAULT_RATE = 25.0  # where a file does not state its own


@dataclass(frozen=True)
class Frame:
    """One image of a source: its number from 0, its file name or "", and [H, W, 3] uint8 RGB."""

    number: int
    name: str
    image: np.ndarray


@dataclass
class Source:
    """A sequence of frames.

    Attributes:
        frames: can be iterated over once.
        size: (height, width) of the first frame.
        rate: frames per second.
        total: how many frames to expect; a guess for videos, None for cameras.
        kind: "video", "camera", "folder" or "image".
        skipped: unreadable images so far, one line each.
    """

    frames: Iterator[Frame]
    size: tuple[int, int]
    rate: float
    total: int | None
    kind: str
    skipped: list[str]


def open_source(where: str) -> Source:
    """Open a video file, a folder of images, an image, or a camera by its number.

    Raises:
        UserError: there is nothing, or nothing that can be read.
    """
    if where.isdecimal():
        return _open_capture(int(where), "camera", f"camera {where}")
    path = Path(where)
    if path.is_dir():
        return _open_images(list_images(path), "folder")
    if not path.is_file():
        raise UserError(f"{where}: no such file or folder; a number names a camera")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_images([path], "image")
    return _open_capture(str(path), "video", str(path))


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder, sorted by name.

    Raises:
        UserError: there are none.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise UserError(f"{folder} contains no images ({', '.join(IMAGE_SUFFIXES)})")
    return paths


def _open_images(paths: list[Path], kind: str) -> Source:
    skipped: list[str] = []
    frames = _read_images(paths, skipped)
    first = next(frames, None)
    if first is None:
        raise UserError(skipped[0])
    return Source(itertools.chain([first], frames), _size(first), FOLDER_RATE, len(paths), kind, skipped)


def _size(frame: Frame) -> tuple[int, int]:
    height, width = frame.image.shape[:2]
    return height, width


def _read_images(paths: list[Path], skipped: list[str]) -> Iterator[Frame]:
    number = 0
    for path in paths:
        try:
            image = read_image(path)
        except OSError as error:
            skipped.append(str(error))
            continue
        yield Frame(number, path.name, image)
        number += 1


def _open_capture(where: str | int, kind: str, name: str) -> Source:
    capture = cv2.VideoCapture(where)
    frames = _read_capture(capture)
    first = next(frames, None)
    if first is None:
        hint = "is it connected and free?" if kind == "camera" else "it is damaged, empty or not a video"
        raise UserError(f"can't read a frame from {name}; {hint}")
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not 0 < rate < 1000:  # also NaN
        rate = _DEFAULT_RATE
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    total = announced if kind == "video" and announced > 0 else None
    return Source(itertools.chain([first], frames), _size(first), rate, total, kind, [])


def _read_capture(capture: cv2.VideoCapture) -> Iterator[Frame]:
    """Yield until no frame comes: the count in a file's header may be wrong."""
    try:
        for number in itertools.count():
            has_frame, image = capture.read()
            if not has_frame:
                return
            yield Frame(number, "", cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
