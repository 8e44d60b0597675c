"""Compare the frame rate of ``densevision demo`` with that of the model alone.

    python tools/benchmarks/video_speed.py MODEL [MODEL ...] [--out runs/video_speed] [--seconds 30] [--turns 3]

Writes a video of 1280x720 at 25 frames per second, and runs in turns for each model, a .tflite or a checkpoint: the
model on the decoded frames (without decoding them), and the whole demo, which decodes, draws and encodes as well.
Prints the frames per second of both, each the best of its turns, and their ratio in percent.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from densevision.api import load
from densevision.video.annotate import annotate_video
from densevision.video.encoders import ffmpeg_with_h264
from densevision.video.sources import open_source
from densevision.video.views import ModelView

RATE = 25
KEPT = 50  # decoded frames that the model alone runs over again and again


def write_video(path, seconds):
    """Write a textured background that moves, with rectangles."""
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(0, 256, (90, 200, 3), np.uint8), (1600, 720), interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (1280, 720))
    for number in range(seconds * RATE):
        frame = np.roll(texture, -4 * number, 1)[:, :1280].copy()
        left = 7 * number % 1000
        cv2.rectangle(frame, (left, 300), (left + 200, 420), (40, 60, 200), -1)
        writer.write(frame)
    writer.release()


def model_rate(predictor, images, frames):
    """Return the frames per second of the model alone."""
    start = time.perf_counter()
    for number in range(frames):
        predictor(images[number % len(images)])
    return frames / (time.perf_counter() - start)


def compare(model, video, out, arguments):
    """Print the frame rates of a model alone and of the demo."""
    predictor = load(model).predictor
    images = [frame.image for frame, _ in zip(open_source(str(video)).frames, range(KEPT), strict=False)]
    alone, whole = [], []
    for _ in range(arguments.turns):
        alone.append(model_rate(predictor, images, arguments.seconds * RATE))
        report = annotate_video(ModelView(predictor, model.name), str(video), out)
        whole.append(report.frames / report.seconds)
    codec = "H.264" if ffmpeg_with_h264() else "VP9"
    print(
        f"{model}: model alone {max(alone):.1f}, demo with {codec} {max(whole):.1f} frames per second: "
        f"{100 * max(whole) / max(alone):.0f} %",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs/video_speed"))
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    video = arguments.out / "in.mp4"
    write_video(video, arguments.seconds)
    for model in arguments.models:
        compare(model, video, arguments.out / "out.mp4", arguments)


if __name__ == "__main__":
    main()
