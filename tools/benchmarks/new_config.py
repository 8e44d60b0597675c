"""Compare the config that ``densevision new`` writes, untouched, with the shipped config of the same data.

    DENSEVISION_DATA=/folder/with/bccd/and/camvid python tools/benchmarks/new_config.py {bccd,camvid} \
        [--out runs/new_config] [--iterations N] [--seeds 0 1]

BCCD is first rewritten as Pascal VOC xml. Both configs are trained from scratch, for the same number of iterations and
with the same seeds; the best AP (BCCD) or mIoU (CamVid) of each training is printed, in points of 100, with the means.
Without ``--iterations`` that is the shipped config's number. A training that ended is not repeated.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from densevision.api import train
from densevision.config.load import load_config
from densevision.training.process import tune_process

SHIPPED = dict(bccd="ssdlite_v3_small_reduced_bccd", camvid="lraspp_v3_small_camvid")
ALLOWED = dict(bccd=1.5, camvid=2.0)  # points


def write_voc(source, target):
    """Rewrite BCCD's COCO json as Pascal VOC xml, with the same images in train and val."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for part in ("train", "val"):
        content = json.loads((source / f"annotations/instances_{part}.json").read_text())
        names = {category["id"]: category["name"] for category in content["categories"]}
        boxes = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            boxes[annotation["image_id"]].append((names[annotation["category_id"]], annotation["bbox"]))
        stems = []
        for image in content["images"]:
            stems.append(Path(image["file_name"]).stem)
            shutil.copy(source / part / image["file_name"], target / "JPEGImages")
            ElementTree.ElementTree(voc_annotation(image, boxes[image["id"]])).write(
                target / "Annotations" / f"{stems[-1]}.xml"
            )
        (target / f"ImageSets/Main/{part}.txt").write_text("\n".join(stems) + "\n")


def voc_annotation(image, boxes):
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = image["file_name"]
    size = ElementTree.SubElement(root, "size")
    for field, value in (("width", image["width"]), ("height", image["height"]), ("depth", 3)):
        ElementTree.SubElement(size, field).text = str(value)
    for name, (x, y, width, height) in boxes:
        node = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(node, "name").text = name
        ElementTree.SubElement(node, "difficult").text = "0"
        box = ElementTree.SubElement(node, "bndbox")
        for field, value in (("xmin", x), ("ymin", y), ("xmax", x + width), ("ymax", y + height)):
            ElementTree.SubElement(box, field).text = f"{value:g}"
    return root


def write_new_config(data, out):
    """Run ``densevision new`` in the folder, unless an earlier run did; return the config's path."""
    root = Path(os.environ["DENSEVISION_DATA"], data).resolve()
    if data == "bccd":
        root = out / "bccd_voc"
        if not (root / "ImageSets/Main/val.txt").exists():
            write_voc(Path(os.environ["DENSEVISION_DATA"], data), root)
    config = out / f"new_{data}.py"
    if not config.exists():
        command = [sys.executable, "-m", "densevision", "new", str(root), "--weights", "none", "--name", config.stem]
        subprocess.run(command, cwd=out, check=True)
    return config


def overrides(config, iterations, seed):
    """Scale a schedule, its warm-up and its evaluations to a number of iterations."""
    loaded = load_config(config)
    factor = iterations / loaded.train_cfg.max_iters
    warmup = max(1, round(loaded.param_scheduler[0].end * factor))
    return {
        "randomness.seed": seed,
        "train_cfg.max_iters": iterations,
        "train_cfg.val_interval": max(1, iterations // 5),
        "param_scheduler.0.end": warmup,
        "param_scheduler.1.begin": warmup,
    }


def train_one(config, iterations, seed, work_dir):
    """Train one config in a process of its own; return the best metric in points."""
    tune_process()
    result = train(config, work_dir=work_dir, overrides=overrides(config, iterations, seed))
    return 100 * result.best_score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=SHIPPED)
    parser.add_argument("--out", type=Path, default=Path("runs/new_config"))
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    configs = dict(shipped=SHIPPED[options.data], new=str(write_new_config(options.data, out)))
    iterations = options.iterations or load_config(configs["shipped"]).train_cfg.max_iters
    points = {kind: [] for kind in configs}
    for seed in options.seeds:
        for kind, config in configs.items():
            work_dir = out / f"{options.data}_{kind}_{iterations}_seed{seed}"
            done = work_dir / "points.json"
            if not done.exists():
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                    best = pool.submit(train_one, config, iterations, seed, str(work_dir)).result()
                done.write_text(json.dumps(best))
            points[kind].append(json.loads(done.read_text()))
        print(f"seed {seed}: shipped {points['shipped'][-1]:.2f}, new {points['new'][-1]:.2f}", flush=True)
    means = {kind: statistics.mean(values) for kind, values in points.items()}
    difference = means["new"] - means["shipped"]
    verdict = "within" if difference >= -ALLOWED[options.data] else "NOT within"
    print(
        f"{options.data}, {iterations} iterations, mean of {len(options.seeds)} seeds: shipped {means['shipped']:.2f}, "
        f"new {means['new']:.2f}, difference {difference:+.2f}: {verdict} {ALLOWED[options.data]} points"
    )


if __name__ == "__main__":
    main()
