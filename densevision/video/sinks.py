"""Where frames go."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from densevision.atomic import partial_path, replacing
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES, resize_image, write_image
from densevision.video.encoders import VIDEO_SUFFIXES, open_encoder
from densevision.video.sources import Frame, Source

_LONGEST_GAP = 10.0  # seconds that the frame before a gap stands for; a wrong time must not fill the disk
_GIF_RATE = 12.5  # frames per second; its times are hundredths of a second
_GIF_WIDTH = 640
_GIF_FRAMES = 1500  # about 2 minutes; they are kept in memory, at one byte per pixel


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
    if suffix in VIDEO_SUFFIXES:
        return VideoSink(output, source.size, source.rate)
    if suffix == ".gif":
        return GifSink(output, source.size, source.rate)
    if suffix in IMAGE_SUFFIXES:
        if source.kind != "image":
            raise UserError(f"--out {output}: a {source.kind} needs a video (.mp4) or a folder")
        return ImageSink(output)
    if suffix:
        known = ", ".join((*VIDEO_SUFFIXES, ".gif", *IMAGE_SUFFIXES))
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

    Frames that come late are preceded by copies of the one before, and of frames that come too soon one is written, so
    that the video is as long as the input.

    Args:
        size: (height, width); frames of another size are resized to it. The codecs take even sizes only, so an
            odd one grows by one row or column, a copy of the last.
        rate: frames per second.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float):
        _check_file(path)
        self.size, self.rate = size, rate
        self._path = path
        self._partial = partial_path(path)
        self._margin = (size[0] % 2, size[1] % 2)
        self._written, self._left_out, self._last = 0, 0, np.zeros((0, 0, 3), np.uint8)
        even = (size[0] + self._margin[0], size[1] + self._margin[1])
        try:
            self._encoder = open_encoder(self._partial, even, rate)
        except UserError as error:
            self._partial.unlink(missing_ok=True)
            raise UserError(f"--out {path}: {error}") from error

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Append an image at the frame's time."""
        place = frame.number if frame.seconds is None else round(frame.seconds * self.rate)
        self._left_out += max(0, place - self._left_out - self._written - round(_LONGEST_GAP * self.rate))
        place -= self._left_out
        if place < self._written:
            return
        if image.shape[:2] != self.size:
            image = _fit(image, self.size)
        if any(self._margin):
            below, right = self._margin
            image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        try:
            for _ in range(place - self._written if len(self._last) else 0):
                self._encoder.write(self._last)
            self._encoder.write(image)
        except OSError as error:
            raise UserError(f"--out {self._path}: can't write frame {frame.number}; {error}") from error
        self._written, self._last = place + 1, image

    def finish(self) -> str:
        """Give the file its name."""
        if not self._written:
            self.discard()
            raise UserError(_nothing(self._path))
        try:
            self._encoder.close()
            self._partial.replace(self._path)
        except OSError as error:
            self._partial.unlink(missing_ok=True)
            raise UserError(f"--out {self._path}: can't be written; {error}") from error
        height, width = self.size
        padded = f"{width}x{height}, padded to even numbers; " if any(self._margin) else ""
        return f"{self._path} ({padded}{self._encoder.codec})"

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._encoder.kill()
        self._partial.unlink(missing_ok=True)


class GifSink:
    """An animated GIF, at most 640 pixels wide and 12.5 frames per second."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float):
        _check_file(path)
        scale = min(1.0, _GIF_WIDTH / size[1])
        self._size = (max(1, round(scale * size[0])), max(1, round(scale * size[1])))
        self._step = max(1, round(rate / _GIF_RATE))
        self._path, self._rate = path, rate
        self._images: list[Image.Image] = []
        self._times: list[float] = []

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Keep every second, third, ... image of a video with more frames per second."""
        if frame.number % self._step:
            return
        if len(self._images) == _GIF_FRAMES:
            raise UserError(f"--out {self._path}: more than {_GIF_FRAMES} frames; write a .mp4, or use --every N")
        self._images.append(Image.fromarray(_fit(image, self._size)).quantize(128, dither=Image.Dither.NONE))
        self._times.append(frame.number / self._rate if frame.seconds is None else frame.seconds)

    def finish(self) -> str:
        """Write the file; the format counts hundredths of a second."""
        if not self._images:
            raise UserError(_nothing(self._path))
        first, *others = self._images
        ends = np.round(100 * np.array([*self._times, self._times[-1] + self._step / self._rate])).astype(int)
        durations = [10 * max(2, int(length)) for length in np.diff(ends)]
        try:
            with replacing(self._path, "--out") as partial:
                first.save(partial, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
        except OSError as error:
            raise UserError(f"--out {self._path}: {error.strerror or error}") from error
        return f"{self._path} ({self._size[1]}x{self._size[0]}, {self._rate / self._step:.3g} frames per second)"

    def discard(self) -> None:
        """Forget the images."""
        self._images.clear()


def _nothing(path: Path) -> str:
    return f"--out {path}: not written, as no frame was annotated"


def _check_file(path: Path) -> None:
    _make_folder(path.parent, path)
    if path.is_dir():
        raise UserError(f"--out {path} is a folder; give a file's name")


def _fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an image into a size, with black bars where the aspect ratio differs."""
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if height > size[0] - 2 and width > size[1] - 2:  # no bars of one pixel by rounding
        return resize_image(image, size)
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
