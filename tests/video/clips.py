"""Small videos for the tests, and how to follow their frames."""

from pathlib import Path

import cv2
import numpy as np

from densevision.video import open_sink, open_source


def write_video(path: Path, frames: int, size=(48, 64), rate=12.0, codec="mp4v") -> Path:
    """Write a video whose frame i has the grey value 30 * i + 30."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, size[::-1])
    for number in range(frames):
        writer.write(np.full((*size, 3), 30 * (number % 7) + 30, np.uint8))
    writer.release()
    return path


def order(frames) -> list[int]:
    """Which frame of ``write_video`` each one is; the codecs move greys a little."""
    return [round((float(frame.image.mean()) - 30) / 30) for frame in frames]


def copy(source_path: Path, output: Path) -> str:
    source = open_source(str(source_path))
    sink = open_sink(output, source, str(source_path))
    for frame in source.frames:
        sink.write(frame, frame.image)
    return sink.finish()
