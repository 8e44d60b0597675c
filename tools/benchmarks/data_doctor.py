"""Time ``densevision check`` on many images.

    python tools/benchmarks/data_doctor.py [--images 10000] [--kind jpg|png]

writes images of 640x480, made of crops of noise and gradients so that they compress as photos do, with a COCO json of
eight boxes each, to a temporary folder, and prints the time of the command and its peak memory.
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
BOXES = 8


def make_image(seed: int) -> np.ndarray:
    """Return a scene of smooth and of fine structure, another one for each seed."""
    random = np.random.default_rng(seed)
    image = np.zeros((*SIZE, 3), np.float32)
    for cells, weight in ((4, 110), (40, 50), (160, 30)):
        noise = random.random((cells * 3 // 4, cells, 3), np.float32)
        image += weight * cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return (image + 20 * random.random((*SIZE, 1), np.float32)).clip(0, 255).astype(np.uint8)


def write_data(folder: Path, images: int, kind: str) -> None:
    """Write the images and the json."""
    (folder / "images").mkdir()

    def write(number: int) -> None:
        cv2.imwrite(str(folder / "images" / f"{number:06}.{kind}"), make_image(number), [cv2.IMWRITE_JPEG_QUALITY, 90])

    with ThreadPoolExecutor() as threads:
        list(threads.map(write, range(images)))
    random = np.random.default_rng(0)
    corners = random.integers(0, 300, (images * BOXES, 2))
    extents = random.integers(20, 170, (images * BOXES, 2))
    content = dict(
        images=[
            dict(id=n, file_name=f"{n:06}.{kind}", height=SIZE[0], width=SIZE[1]) for n in range(images)
        ],
        annotations=[
            dict(id=n, image_id=n // BOXES, category_id=1 + n % 3, bbox=[*map(int, corner), *map(int, extent)])
            for n, (corner, extent) in enumerate(zip(corners, extents, strict=True))
        ],
        categories=[dict(id=1 + n, name=name) for n, name in enumerate(("car", "person", "tree"))],
    )
    (folder / "annotations.json").write_text(json.dumps(content))


def main() -> None:
    """Write the data, run the command, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--kind", choices=("jpg", "png"), default="jpg")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), arguments.images, arguments.kind)
        size = sum(path.stat().st_size for path in Path(folder, "images").iterdir())
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "densevision", "check", folder], check=True)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{arguments.images:,} {arguments.kind} of {SIZE[1]}x{SIZE[0]}, {size / arguments.images / 1000:.0f} kB each: "
        f"{seconds:.1f} s, peak {peak:,.0f} MB"
    )


if __name__ == "__main__":
    main()
