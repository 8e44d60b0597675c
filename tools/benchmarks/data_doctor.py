"""Time ``densevision check`` on many images: ``python tools/benchmarks/data_doctor.py [--images 10000]``.

Makes JPEG images of 640x480 with a COCO json in a temporary folder, and prints how long the command takes.
"""

import argparse
import json
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
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "densevision", "check", folder], check=True)
        size = sum(path.stat().st_size for path in images.iterdir()) / count / 1000
        print(f"{count:,} images of 640x480, {size:.0f} kB each: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
