"""Image files in and out: RGB, uint8, [H, W, 3]."""

import os
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # faults are raised as exceptions, with the file's name
import cv2  # noqa: E402
import numpy as np  # noqa: E402

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_TAIL = 4096  # some cameras write padding behind the end-of-image mark


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as [H, W, 3] uint8 RGB, turned as its EXIF tag says.

    Raises:
        OSError: the file is missing, not an image or cut short. OpenCV alone would return a grey-filled picture
            for half a JPEG.
    """
    data = np.fromfile(path, np.uint8)
    head, tail = data[:3].tobytes(), data[-_TAIL:].tobytes()
    if head == _JPEG_START and _JPEG_END not in tail:
        raise OSError(f"{path}: the JPEG is cut short")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise OSError(f"{path}: not a readable image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


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
