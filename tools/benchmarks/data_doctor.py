"""Time ``densevision check`` and ``new`` on many images: ``python tools/benchmarks/data_doctor.py [--images 10000]``.

Makes JPEG images of 640x480 with a COCO json in a temporary folder. Prints the time of each command, and its seconds of
the processor next to those of OpenCV, which decodes every image once.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

SIZE = (480, 640)


def write_image(path, number):
    """Write a smooth random image, which compresses like a photo."""
    random = np.random.default_rng(number)
    small = random.integers(0, 255, (24, 32, 3)).astype(np.uint8)
    image = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    noise = random.integers(-12, 12, image.shape).astype(np.int16)
    cv2.imwrite(str(path), np.clip(image + noise, 0, 255).astype(np.uint8))


def timed(command, folder):
    """Run a command; return its seconds of the clock, and of the processor."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda number: write_image(images / f"{number}.jpg", number), range(count)))
        rows = [dict(id=n, file_name=f"{n}.jpg", height=SIZE[0], width=SIZE[1]) for n in range(count)]
        boxes = [dict(id=n, image_id=n, category_id=1 + n % 2, bbox=[50, 60, 200, 150]) for n in range(count)]
        categories = [dict(id=1, name="cat"), dict(id=2, name="dog")]
        content = dict(images=rows, annotations=boxes, categories=categories)
        Path(folder, "annotations.json").write_text(json.dumps(content))
        decode = "import cv2, pathlib\nfor path in pathlib.Path('images').iterdir(): cv2.imread(str(path))"
        _, least = timed(["-c", decode], folder)
        size = sum(path.stat().st_size for path in images.iterdir()) / count / 1000
        print(f"{count:,} images of 640x480, {size:.0f} kB each; decoded once in {least:.1f} s of the processor")
        for command in (["check", folder], ["new", folder, "--weights", "none", "--name", "mine"]):
            seconds, busy = timed(["-m", "densevision", *command], folder)
            print(f"densevision {command[0]}: {seconds:.1f} s, {busy:.1f} s of the processor, {busy / least:.2f} times")


if __name__ == "__main__":
    main()
