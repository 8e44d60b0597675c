"""Where frames go."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from densevision.atomic import partial_path, replacing
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES, resize_image, write_image
from densevision.video.sources import Frame, Source

_CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}


class Sink(Protocol):
    """Takes frames in order. What it writes gets its final name only in ``finish``."""

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Take the annotated image [H, W, 3] uint8 RGB of a frame."""
        ...

    def finish(self) -> str:
        """Close it; returns where the result is, in words."""
        ...

    def discard(self) -> None:
        """Close it and remove unfinished files."""
        ...


def open_sink(output: Path, source: Source, where: str) -> Sink:
    """Open a video or an image, by the output's suffix, or without suffix a folder of images.

    Args:
        source: determines frame rate and size.
        where: the input, which must not be overwritten.
    Raises:
        UserError: the output can't be written, or does not fit the input.
    """
    suffix = output.suffix.lower()
    if output.exists() and Path(where).exists() and output.samefile(where):
        raise UserError(f"--out {output} is the input; choose another name")
    if suffix in _CODECS:
        return VideoSink(output, source.size, source.rate)
    if suffix in IMAGE_SUFFIXES:
        if source.kind != "image":
            raise UserError(f"--out {output}: a {source.kind} needs a video (.mp4) or a folder")
        return ImageSink(output)
    if suffix:
        known = ", ".join((*_CODECS, *IMAGE_SUFFIXES))
        raise UserError(f"--out {output}: can't write {suffix}; use one of {known}, or a folder's name")
    return FolderSink(output)


def _make_folder(folder: Path, output: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{output.stem}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"--out {output}: can't be written ({error.strerror})") from error


class VideoSink:
    """A video file with a constant frame rate.

    Args:
        size: (height, width); frames of another size are resized to it. The codecs take even sizes only, so an
            odd one grows by one row or column, a copy of the last.
        rate: frames per second.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float):
        _make_folder(path.parent, path)
        if path.is_dir():
            raise UserError(f"--out {path} is a folder; give a file's name")
        self.size = size
        self._path = path
        self._partial = partial_path(path)
        self._margin = (size[0] % 2, size[1] % 2)
        codec = cv2.VideoWriter.fourcc(*_CODECS[path.suffix.lower()])
        even = (size[1] + self._margin[1], size[0] + self._margin[0])
        self._writer = cv2.VideoWriter(str(self._partial), codec, rate, even)
        if not self._writer.isOpened():
            self.discard()
            shape = f"{even[0]}x{even[1]}"
            raise UserError(f"--out {path}: OpenCV can't write {path.suffix} of {shape} there; try .mp4")

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Append an image."""
        if image.shape[:2] != self.size:
            image = _fit(image, self.size)
        if any(self._margin):
            below, right = self._margin
            image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        if self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)) is False:
            raise UserError(f"--out {self._path}: can't write frame {frame.number}; is the disk full?")

    def finish(self) -> str:
        """Give the file its name."""
        self._writer.release()
        self._partial.replace(self._path)
        if any(self._margin):
            height, width = self.size
            return f"{self._path} ({width}x{height}, padded to even numbers)"
        return str(self._path)

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._writer.release()
        self._partial.unlink(missing_ok=True)


def _fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an image into a size, with black bars where the aspect ratio differs."""
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    fitted = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    fitted[top : top + height, left : left + width] = resize_image(image, (height, width))
    return fitted


class ImageSink:
    """One image file."""

    def __init__(self, path: Path):
        _make_folder(path.parent, path)
        self._path = path

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Write the image."""
        _write_image(self._path, image)

    def finish(self) -> str:
        """Return the file's name."""
        return str(self._path)

    def discard(self) -> None:
        """Do nothing: no file is ever unfinished."""


class FolderSink:
    """A folder of images: under the names of the input's images, or numbered."""

    def __init__(self, folder: Path):
        _make_folder(folder, folder)
        self._folder = folder

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Write another image."""
        _write_image(self._folder / (frame.name or f"{frame.number:06d}.jpg"), image)

    def finish(self) -> str:
        """Return the folder's name."""
        return f"the folder {self._folder}"

    def discard(self) -> None:
        """Do nothing: every file is complete, and stays."""


def _write_image(path: Path, image: np.ndarray) -> None:
    try:
        with replacing(path, "--out") as partial:
            write_image(partial, image)
    except OSError as error:
        raise UserError(f"--out {path}: {error.strerror or error}") from error
