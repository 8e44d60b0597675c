"""Encode videos: H.264 by ffmpeg where it is on the PATH, else by what OpenCV brings along."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from densevision.errors import UserError
from densevision.stages import native_output_hidden

_H264_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
# (codec, name) by suffix, of OpenCV's own build, which has no H.264.
_OPENCV = {
    ".mp4": ("vp09", "VP9, slowly, as no ffmpeg with libx264 is on the PATH; .webm is faster"),
    ".mkv": ("VP90", "VP9, slowly, as no ffmpeg with libx264 is on the PATH; .webm is faster"),
    **dict.fromkeys(
        (".mov", ".m4v"), ("mp4v", "MPEG-4, which browsers don't play; no ffmpeg with libx264 is on the PATH")
    ),
    ".webm": ("VP80", "VP8"),  # VP9 is far slower
    ".avi": ("MJPG", "Motion JPEG"),
}
_MATRIX = "smpte170m"  # BT.601, which OpenCV converts by
VIDEO_SUFFIXES = tuple(_OPENCV)


class Encoder(Protocol):
    """Writes one video file.

    Attributes:
        codec: in words, for messages.
    """

    codec: str

    def write(self, image: np.ndarray) -> None:
        """Append [H, W, 3] uint8 RGB.

        Raises:
            OSError: the file can't be written.
        """
        ...

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: it is not complete.
        """
        ...

    def kill(self) -> None:
        """Stop without finishing."""
        ...


def open_encoder(path: Path, size: tuple[int, int], rate: float) -> Encoder:
    """Return the encoder of a file, by its suffix.

    Args:
        size: (height, width), even.
        rate: frames per second.
    Raises:
        UserError: no encoder can write it.
    """
    program = ffmpeg_with_h264() if path.suffix.lower() in _H264_SUFFIXES else None
    return OpenCvEncoder(path, size, rate) if program is None else FfmpegEncoder(program, path, size, rate)


@cache
def ffmpeg_with_h264() -> str | None:
    """Return the path of an ffmpeg on the PATH that has the encoder libx264, or None."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    try:
        ran = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if ran.returncode == 0 and b" libx264 " in ran.stdout else None


class FfmpegEncoder:
    """H.264 with 4:2:0 colors and the index at the beginning: what browsers and chat programs play.

    The colors are converted here, which is faster than ffmpeg's own conversion, and the file says by which matrix.
    """

    codec = "H.264"

    def __init__(self, program: str, path: Path, size: tuple[int, int], rate: float):
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the video
        command = [program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
        command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[1]}x{size[0]}", "-r", f"{rate:.6g}"]
        command += ["-i", "-", "-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p"]
        command += ["-colorspace", _MATRIX, "-color_primaries", _MATRIX, "-color_trc", _MATRIX, "-color_range", "tv"]
        command += ["-movflags", "+faststart"] if path.suffix.lower() != ".mkv" else []
        command += [path.resolve().as_posix()]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._messages,
            start_new_session=True,  # Ctrl-C must not end it before the last frame
        )

    def write(self, image: np.ndarray) -> None:
        """Append an image."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).data)
        except OSError as error:
            raise OSError(self._last_message()) from error

    def close(self) -> None:
        """Wait until the file is complete."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # its exit status says the same
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise OSError(self._last_message())
        self._messages.close()

    def kill(self) -> None:
        """Stop ffmpeg."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what was buffered has no reader
            self._process.stdin.close()
        self._messages.close()

    def _last_message(self) -> str:
        self._process.wait()
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), f"status {self._process.returncode}")
        return f"ffmpeg: {said}"


class OpenCvEncoder:
    """What OpenCV's build can write."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float):
        fourcc, self.codec = _OPENCV[path.suffix.lower()]
        self._path = path
        with native_output_hidden():  # it comments on the tag of the codec
            self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), rate, size[::-1])
        if not self._writer.isOpened():
            self._writer.release()
            raise UserError(f"OpenCV can't write {path.suffix} of {size[1]}x{size[0]} there; try .mp4 or .avi")

    def write(self, image: np.ndarray) -> None:
        """Append an image."""
        if self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)) is False:
            raise OSError("the disk may be full")

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def kill(self) -> None:
        """Close the file as it is."""
        self._writer.release()
