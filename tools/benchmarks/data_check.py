"""Time the checks of the data before a training, and measure their peak memory.

    python tools/benchmarks/data_check.py [--images 118000 --boxes 860000]

writes a JSON of that size (80 classes, polygons of 22 points as in COCO) and 1,000 JPEG images of 480x360 to a
temporary folder. Each step runs in a separate process.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from densevision.data.check import count_lines
from densevision.data.files import find_files
from densevision.detection.coco import CocoDataset
from densevision.detection.coco_reader import CocoReader
from densevision.images import write_image

CLASSES, POINTS = 80, 22


def write_json(path: Path, images: int, boxes: int, size: tuple[int, int], *, polygons: bool) -> None:
    """Write a JSON in COCO's format, row by row."""
    random = np.random.default_rng(0)
    height, width = size
    with open(path, "w") as file:
        file.write('{"info": {}, "licenses": [], "images": [')
        for number in range(images):
            row = dict(
                license=3,
                file_name=f"{number:012d}.jpg",
                height=height,
                width=width,
                id=number,
                coco_url=f"http://images.cocodataset.org/train2017/{number:012d}.jpg",
                date_captured="2013-11-14 11:18:45",
                flickr_url="http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg",
            )
            file.write((", " if number else "") + json.dumps(row))
        file.write('], "annotations": [')
        for number in range(boxes):
            low = random.random(2) * 0.7 * (width, height)
            extent = (random.random(2) * 0.25 + 0.02) * (width, height)
            outline = [(random.random(2 * POINTS) * width).round(2).tolist()] if polygons else []
            row = dict(
                segmentation=outline,
                area=round(float(extent.prod()) * 0.7, 4),
                id=number,
                iscrowd=int(random.random() < 0.012),
                image_id=int(random.integers(images)),
                bbox=[*low.round(2).tolist(), *extent.round(2).tolist()],
                category_id=int(random.integers(CLASSES)) + 1,
            )
            file.write((", " if number else "") + json.dumps(row))
        categories = [dict(id=number, name=f"class {number}") for number in range(1, CLASSES + 1)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def write_images(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write JPEG images of coarse noise, named as in ``write_json``."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    pixels = coarse.repeat(8, 0).repeat(8, 1)
    for number in range(count):
        write_image(folder / f"{number:012d}.jpg", np.roll(pixels, number, axis=1))


def measure(step: str, path: Path, folder: Path) -> None:
    """Print seconds and peak memory of one step."""
    start = time.perf_counter()
    if step == "json":
        CocoReader(str(path), str(folder)).read()
    elif step == "files":
        names = sorted(entry.name for entry in folder.iterdir())
        start = time.perf_counter()
        find_files(folder, names, path)
    else:
        data = CocoDataset(str(path.parent), path.name, folder.name, (320, 320))
        lines = count_lines(step, data.count(step))
        print("\n".join(lines))
    seconds = time.perf_counter() - start
    gibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{path.name}, {step}: {seconds:.2f} s, peak memory {gibibytes:.2f} GiB", flush=True)


def main() -> None:
    """Write the data and measure each step in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=118_000)
    parser.add_argument("--boxes", type=int, default=860_000)
    parser.add_argument("--measure", nargs=3, metavar=("STEP", "JSON", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        step, path, folder = arguments.measure
        measure(step, Path(path), Path(folder))
        return
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        write_images(root / "images", 1000, (360, 480))
        write_json(root / "small.json", 1000, 8000, (360, 480), polygons=True)
        for polygons in (False, True):
            name = f"large_{'with' if polygons else 'without'}_polygons.json"
            write_json(root / name, arguments.images, arguments.boxes, (480, 640), polygons=polygons)
        (root / "empty").mkdir()
        for number in range(arguments.images):  # empty files: the search does not open them
            (root / "empty" / f"{number:012d}.jpg").touch()
        for step, name, folder in (
            ("train", "small.json", "images"),
            ("val", "small.json", "images"),
            ("json", "large_without_polygons.json", "empty"),
            ("json", "large_with_polygons.json", "empty"),
            ("files", "large_with_polygons.json", "empty"),
            ("train", "large_with_polygons.json", "empty"),
        ):
            command = [sys.executable, __file__, "--measure", step, str(root / name), str(root / folder)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
