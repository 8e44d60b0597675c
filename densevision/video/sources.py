"""Where frames come from."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES, read_header, read_image

FOLDER_RATE = 10.0  # frames per second of a video made from a folder of images
_MOST_CAMERAS = 1000
_DEFAULT_RATE = 25.0  # where a file does not state its own
_HEADER = 4 << 20  # bytes at both ends of a file that are searched
_TIMEOUT_MS = 5000  # of a stream
_URL = re.compile(r"^(rtsps?|rtmps?|https?|udp|tcp|rtp|srt|mms)://", re.IGNORECASE)

# OpenCV reads this once, at the first video that a process reads or writes; a UserError says what ffmpeg would print.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclass(frozen=True)
class Frame:
    """One image of a source.

    Attributes:
        number: from 0.
        name: of its file, or "".
        image: [H, W, 3] uint8 RGB.
        seconds: its time in the video; None where the source has no times.
    """

    number: int
    name: str
    image: np.ndarray
    seconds: float | None = None


@dataclass
class Source:
    """A sequence of frames.

    Attributes:
        frames: can be iterated over once.
        size: (height, width) of the first frame.
        rate: frames per second.
        total: how many frames to expect; a guess for videos, None for cameras and live streams.
        kind: "video", "stream", "camera", "folder" or "image".
        skipped: unreadable images so far, one line each.
        path: of a video file.
    """

    frames: Iterator[Frame]
    size: tuple[int, int]
    rate: float
    total: int | None
    kind: str
    skipped: list[str]
    path: str = ""


def open_source(where: str, every: int = 1) -> Source:
    """Open a video file, a stream, a folder of images, an image, a pattern of files, or a camera.

    Args:
        where: a path; a URL such as rtsp://10.0.0.1/stream or https://...; a quoted pattern such as "photos/*.jpg"; a
            camera's number or /dev/video0.
        every: take every Nth frame only; the rate becomes that part of the source's.
    Raises:
        UserError: there is nothing, or nothing that can be read.
    """
    if where.isdecimal() or where.startswith("/dev/video"):
        camera = int(where.removeprefix("/dev/video")) if where[-1].isdecimal() else 0
        if camera >= _MOST_CAMERAS:
            raise UserError(f"{where[:40]}: no camera has this number; give 0 for the first one")
        return _open_capture(camera, "camera", f"camera {where}", every)
    if _URL.match(where):
        return _open_capture(where, "stream", where, every)
    path = Path(where)
    if path.is_dir():
        return _open_images(list_images(path)[::every], "folder")
    if not path.is_file() and glob.has_magic(where):
        return _open_pattern(where, every)
    if not path.is_file():
        raise UserError(f"{where}: no such file or folder; a number names a camera, and a URL a stream")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_images([path], "image")
    return _open_capture(str(path), "video", str(path), every)


def _open_pattern(pattern: str, every: int) -> Source:
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    images = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        others = f"; {len(found):,} other files match" if found else ""
        raise UserError(f"{pattern}: no image matches{others}")
    names = [path.name for path in images]
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise UserError(f"{pattern}: two images have the name {twice}; annotate one folder at a time")
    return _open_images(images[::every], "folder")


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
    size = _commonest_size(paths) if kind == "folder" else None
    return Source(itertools.chain([first], frames), size or _size(first), FOLDER_RATE, len(paths), kind, skipped)


def _commonest_size(paths: list[Path]) -> tuple[int, int] | None:
    """Return the (height, width) of most images, of an even sample of 200."""
    sizes = Counter[tuple[int, int]]()
    for path in paths[:: max(1, len(paths) // 200)]:
        try:
            sizes[read_header(path).turned_size] += 1
        except OSError:
            continue  # skipped when it is read
    return sizes.most_common(1)[0][0] if sizes else None


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


_SCRIPTS = (b"ffconcat", b"#EXTM3U", b"v=0", b"<")  # of files that name other files


def _open_capture(where: str | int, kind: str, name: str, every: int) -> Source:
    if kind == "video" and _is_text(Path(str(where))):  # FFmpeg would follow a playlist to other files
        raise UserError(f"can't read a frame from {name}; {_why(kind, '')}")
    capture = _capture(where)
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not 0 < rate < 1000:  # also NaN
        rate = _DEFAULT_RATE
    announced, codec = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), _codec(capture)
    frames = _read_capture(capture, every, rate)
    first = next(frames, None)
    if first is None:
        raise UserError(f"can't read a frame from {name}; {_why(kind, codec)}")
    total = -(-announced // every) if kind != "camera" and announced > 0 else None
    frames = itertools.chain([first], frames)
    return Source(frames, _size(first), rate / every, total, kind, [], str(where) if kind == "video" else "")


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(512)
    printable = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    return head.startswith(_SCRIPTS) or printable and not head.startswith(b"YUV4MPEG2")


def has_sound(source: Source) -> bool:
    """Tell whether the header of a video file, at its begin or end, announces a sound track."""
    if not source.path:
        return False
    with open(source.path, "rb") as file:
        head = file.read(_HEADER)
        file.seek(max(_HEADER, os.fstat(file.fileno()).st_size - _HEADER))
        data = head + file.read(_HEADER)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):  # MP4 and QuickTime name each track's handler
        return re.search(rb"hdlr.{8}soun", data, re.DOTALL) is not None
    return re.search(rb"auds|A_(AAC|OPUS|VORBIS|MPEG|AC3|FLAC|PCM)", head) is not None  # AVI; Matroska, WebM


def _capture(where: str | int) -> cv2.VideoCapture:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    if isinstance(where, str) and _URL.match(where):
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
        return cv2.VideoCapture(where, cv2.CAP_FFMPEG, limits)
    return cv2.VideoCapture(where)


def _codec(capture: cv2.VideoCapture) -> str:
    """Return the four characters of a codec; "" where nothing was recognized."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    codec = "".join(chr(code >> shift & 255) for shift in (0, 8, 16, 24)).strip("\0 ") if code > 0 else ""
    return codec if codec.isprintable() else ""


def _why(kind: str, codec: str) -> str:
    if kind == "camera":
        return "is it connected and free?"
    if kind == "stream":
        return "check the address, the network and the password"
    if codec:
        return f"its codec {codec} can't be decoded here; convert it: ffmpeg -i IN -c:v libx264 OUT.mp4"
    return "it is damaged, empty or not a video"


def _read_capture(capture: cv2.VideoCapture, every: int, rate: float) -> Iterator[Frame]:
    """Yield until no frame comes: the count in a file's header may be wrong."""
    width_scale = _pixel_aspect(capture)
    first, last = None, -1.0
    try:
        for position in itertools.count():
            if position % every:
                if not capture.grab():
                    return
                continue
            has_frame, image = capture.read()
            if not has_frame:
                return
            time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = time if first is None else first
            following = last + every / rate if position else 0.0
            seconds = time - first if time - first > last else following  # no times, or not in order
            last = seconds
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            if width_scale != 1:
                size = (max(1, round(image.shape[1] * width_scale)), image.shape[0])
                image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            yield Frame(position // every, "", image, seconds)
    finally:
        capture.release()


def _pixel_aspect(capture: cv2.VideoCapture) -> float:
    """Return width / height of a stored pixel, as old cameras and television have it; 1 where it is not stated."""
    across, down = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    return across / down if across > 0 and down > 0 and 0.2 < across / down < 5 else 1.0
