"""Watch the memory of ``densevision predict`` and ``densevision demo`` on many images and a long video.

    python tools/benchmarks/long_inputs.py MODEL IMAGE [--count 10000]

predict reads COUNT links to IMAGE and writes JSON; demo reads a video of COUNT frames, which is written first, and
writes an annotated video. Each is a process of its own, whose resident memory is read every second. It must not grow by
more than 5 % from the second tenth of the time to the last.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np


def memory_of(process):
    """Return the MB of a process and of all that it started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):  # it has ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(memory_of(int(child)) for child in children)


def watch(words, folder):
    """Run a command and return its memory, once per second; end with it if it fails."""
    run = subprocess.Popen([sys.executable, "-m", "densevision", *words], cwd=folder, stdout=subprocess.DEVNULL)
    found = []
    while run.poll() is None:
        found.append(memory_of(run.pid))
        time.sleep(1)
    if run.returncode:
        sys.exit(run.returncode)
    return found[1:-1]  # the start and the end of the process are others


def write_video(path, image, count):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (320, 240))
    frame = cv2.resize(cv2.imread(str(image)), (320, 240))
    for number in range(count):
        writer.write(np.roll(frame, number % 320, axis=1))
    writer.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    arguments = parser.parse_args()
    model, grown = str(arguments.model.resolve()), False
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for number in range(arguments.count):
            (photos / f"{number:06d}{arguments.image.suffix}").symlink_to(arguments.image.resolve())
        write_video(Path(folder) / "video.avi", arguments.image, arguments.count)
        commands = {
            "predict": ("predict", model, "photos", "--json", "out.json", "--quiet"),
            "demo": ("demo", model, "--input", "video.avi", "--out", "out.webm", "--quiet"),
        }
        for name, words in commands.items():
            began, found = time.monotonic(), watch(words, folder)
            tenth = max(1, len(found) // 10)
            first, last = np.mean(found[tenth : 2 * tenth]), np.mean(found[-tenth:])
            seconds = time.monotonic() - began
            print(
                f"{name}: {arguments.count:,} inputs in {seconds:.0f} s, {first:.0f} MB at first, {last:.0f} at the end"
            )
            grown |= last > 1.05 * first
    print("memory grew" if grown else "memory did not grow")
    sys.exit(int(grown))


if __name__ == "__main__":
    main()
