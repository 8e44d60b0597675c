"""Train on BCCD with damaged training images, and on the same data without them; compare the val metric.

    DENSEVISION_DATA=/folder/with/bccd python tools/benchmarks/damaged_data.py [--share 0.03] [--iterations 300] \
        [--seeds 0 1 2] [--size 160] [--out runs/damaged_data]

The damaged images take turns in eight kinds of damage, from an empty file to a header that states 60000x60000 pixels.
The runs of both data sets alternate; each is one process with the config ssdlite_v3_small_reduced_bccd at another
size and length.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

DAMAGE = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "ten bytes short": lambda data: data[:-10],
    "text": lambda data: b"not an image\n",
    "PostScript": lambda data: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n",
    "a hole": lambda data: data[: len(data) // 2] + b"\xff\xc0" * 200 + data[len(data) // 2 + 400 :],
    "60000 pixels wide": lambda data: _resized(data),
    "zeros": lambda data: bytes(len(data)),
}


def _resized(data):
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + b"\xea\x60\xea\x60" + data[place + 4 :]


def write_data(source, folder, share):
    """Copy BCCD twice: with damaged images, and without these images and their boxes."""
    table = json.loads((source / "annotations/instances_train.json").read_text())
    images = sorted(table["images"], key=lambda image: image["file_name"])
    count = round(share * len(images))
    damaged = images[:: len(images) // count][:count]
    for name in ("damaged", "clean"):
        shutil.copytree(source, folder / name / "bccd", dirs_exist_ok=True)
    for number, image in enumerate(damaged):
        path = folder / "damaged/bccd/train" / image["file_name"]
        path.write_bytes(list(DAMAGE.values())[number % len(DAMAGE)](path.read_bytes()))
    gone = {image["id"] for image in damaged}
    table["images"] = [image for image in table["images"] if image["id"] not in gone]
    table["annotations"] = [one for one in table["annotations"] if one["image_id"] not in gone]
    (folder / "clean/bccd/annotations/instances_train.json").write_text(json.dumps(table))
    return count, len(images)


def train(folder, name, seed, arguments):
    """Train in a process of its own; return the best AP in points, and the line on skipped images."""
    work_dir = folder / f"{name}_{seed}"
    options = [
        f"train_cfg.max_iters={arguments.iterations}",
        f"train_cfg.val_interval={arguments.iterations // 3}",
        f"randomness.seed={seed}",
        f"model.input_size=({arguments.size},{arguments.size})",
        *(f"{split}_dataloader.dataset.input_size=({arguments.size},{arguments.size})" for split in ("train", "val")),
    ]
    words = [sys.executable, "-m", "densevision", "train", "ssdlite_v3_small_reduced_bccd", "--work-dir", work_dir]
    environment = os.environ | {"DENSEVISION_DATA": str(folder / name)}
    ran = subprocess.run(
        [*map(str, words), "--cfg-options", *options], env=environment, capture_output=True, text=True, check=True
    )
    report = json.loads((work_dir / "report.json").read_text())
    skipped = next((line for line in ran.stdout.splitlines() if "are damaged and were skipped" in line), "none skipped")
    return 100 * report["metric"]["value"], skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/damaged_data"))
    arguments = parser.parse_args()
    count, images = write_data(Path(os.environ["DENSEVISION_DATA"], "bccd"), arguments.out, arguments.share)
    print(f"{count} of {images} training images are damaged", flush=True)
    found = {"damaged": [], "clean": []}
    for seed in arguments.seeds:
        for name, values in found.items():
            value, skipped = train(arguments.out, name, seed, arguments)
            values.append(value)
            print(f"seed {seed}  {name:8} AP {value:.2f}  {skipped}", flush=True)
    for name, values in found.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name:8} AP {statistics.mean(values):.2f}, standard deviation {spread:.2f}")


if __name__ == "__main__":
    main()
