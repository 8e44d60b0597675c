"""Train other projects' models next to a config's own, on its data, for as many epochs, and print one table.

    python tools/benchmarks/peers.py ssdlite_v3_small_reduced_bccd [--epochs 100] [--seeds 0 1] \
        [--only ours torchvision yolo] [--out runs/peers] [--table]

For a detector: torchvision's ``ssdlite320_mobilenet_v3_large``, and Ultralytics' YOLOv8n where ``ultralytics`` is
installed (AGPL; this project neither needs nor installs it). For a segmentation model: torchvision's
``lraspp_mobilenet_v3_large``. All start from random weights, in batches of the config's size, and are evaluated on the
config's val images with its own metric: pycocotools, or the IoU of this project.

torchvision's recipes are those of its ``references`` folder, with the learning rate scaled to the batch: for SSDLite
random IoU crops and flips, SGD 0.15 per 192 images, weight decay 4e-5, one epoch of warm-up, cosine; for LR-ASPP scale
0.5 to 2, crops of 480/520 of the image's shorter side, flips, SGD 0.01 per 32 images, weight decay 1e-6, polynomial
decay 0.9. YOLOv8n has Ultralytics' defaults.

Without ``--epochs`` each is trained as long as the config. A run that ended appends a row to OUT/rows.jsonl and is not
repeated; ours and torchvision's resume where they were stopped, and then have no time in the table. ``--table`` prints
the table of the finished runs and trains nothing.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torchvision_peers import RECIPES, Peer, train_torchvision

from densevision.api import train
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.evaluation import build_dataset, evaluate_predictor, primary_metric
from densevision.inference.load import model_task
from densevision.structures import Detections
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.lengths import Length, scale_schedule, scaled
from densevision.training.prepare import fill_schedules


def train_yolo(config, epochs, seed, out):
    """Train Ultralytics' YOLOv8n from scratch; return its predictor."""
    from ultralytics import YOLO

    data = {split: build_dataset(config, f"{split}_dataloader") for split in ("train", "val")}
    classes = tuple(data["train"].metainfo["classes"])
    for split, images in data.items():
        images.align_classes(classes)
        write_yolo(images, out.resolve() / "data" / split)
    description = dict(path=str(out.resolve() / "data"), train="train/images", val="val/images")
    names = dict(enumerate(classes))
    (out / "data.yaml").write_text(json.dumps(description | dict(names=names)))  # JSON is YAML
    model, side = YOLO("yolov8n.yaml"), max(config.model.get("input_size", (320, 320)))
    options = dict(imgsz=side, batch=config.train_dataloader.batch_size, seed=seed, pretrained=False)
    model.train(data=str(out / "data.yaml"), epochs=epochs, project=str(out.resolve()), name="yolo", **options)

    def predict(image):
        found = model.predict(image[..., ::-1], imgsz=side, conf=0.001, iou=0.7, max_det=100, verbose=False)[0].boxes
        boxes, scores, labels = (values.cpu().numpy() for values in (found.xyxy, found.conf, found.cls))
        return Detections(boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64))

    return Peer(classes, predict)


def write_yolo(data, folder):
    """Write links to the images, and the boxes in YOLO's format."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(data.image_paths()):
        sample = data.read_sample(index)
        height, width = sample["image"].shape[:2]
        link = folder / "images" / f"{index:06}{Path(path).suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(path).resolve())
        lines = [
            f"{label} {(x0 + x1) / 2 / width} {(y0 + y1) / 2 / height} {(x1 - x0) / width} {(y1 - y0) / height}"
            for (x0, y0, x1, y1), label in zip(sample["boxes"].tolist(), sample["labels"].tolist(), strict=True)
        ]
        (folder / "labels" / f"{index:06}.txt").write_text("\n".join(lines))


def train_ours(config, epochs, seed, out):
    """Train the config with its own recipe; return the metric of its best checkpoint on the val data."""
    changed, images = config.copy(), len(build_dataset(config, "train_dataloader"))
    changed.merge_from_dict({"randomness.seed": seed})
    iterations = max(1, round(epochs * images / config.train_dataloader.batch_size))
    old = config.train_cfg.max_iters
    fill_schedules(changed)
    interval = max(1, scaled(config.train_cfg.get("val_interval", old), old, iterations))
    scale_schedule(changed, Length(iterations, interval))
    work_dir = out / "ours"
    return train(changed, work_dir=work_dir, resume=find_last_checkpoint(work_dir) is not None).best_score


def run(config, kind, epochs, seed, out):
    """Train and evaluate one model; return its name, the metric's name and its value."""
    task = model_task(config).name
    out.mkdir(parents=True, exist_ok=True)
    if kind == "ours":
        return Path(config.filename).stem, model_task(config).primary_metric, train_ours(config, epochs, seed, out)
    if kind == "torchvision":
        name, peer = RECIPES[task][0], train_torchvision(config, task, epochs, seed, out)
    else:
        name, peer = "yolov8n", train_yolo(config, epochs, seed, out)
    figures = evaluate_predictor(peer, build_dataset(config, "val_dataloader"), config.val_evaluator)[0]
    return name, *primary_metric(figures)


def kinds_of(task, only):
    """Return the kinds of models to train.

    Raises:
        UserError: there is none for the task, or the package of a chosen one is missing.
    """
    if task not in RECIPES:
        raise UserError(f"a config for {task} has no peers; give one for detection or segmentation")
    known = ["ours", "torchvision", *(["yolo"] if task == "detection" else [])]
    installed = importlib.util.find_spec("ultralytics") is not None
    if only is None:
        return [kind for kind in known if kind != "yolo" or installed]
    if wrong := [kind for kind in only if kind not in known]:
        raise UserError(f"--only {wrong[0]}: there is no such model for {task}; there are {', '.join(known)}")
    if "yolo" in only and not installed:
        raise UserError("--only yolo: the package ultralytics is not installed")
    return [kind for kind in known if kind in only]


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def train_all(options, config, epochs):
    """Train what has no row yet."""
    path = options.out / "rows.jsonl"
    for seed in options.seeds:
        for kind in kinds_of(model_task(config).name, options.only):
            job = dict(config=Path(config.filename).stem, kind=kind, epochs=epochs, seed=seed)
            if any(job.items() <= row.items() for row in read_rows(path)):
                continue
            print(f"{kind}, seed {seed}, {epochs} epochs", flush=True)
            folder, began = options.out / "_".join(map(str, job.values())), time.perf_counter()
            resumed = folder.exists()
            name, metric, value = run(config, kind, epochs, seed, folder)
            seconds = None if resumed else round(time.perf_counter() - began)
            row = job | dict(model=name, metric=metric, value=value, seconds=seconds)
            row |= dict(threads=torch.get_num_threads(), date=time.strftime("%Y-%m-%d"))
            options.out.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def table(rows):
    """Return the lines of a table: mean, spread (highest - lowest) and each seed, in points of 100, ours first."""
    lines = []
    for config, epochs in sorted({(row["config"], row["epochs"]) for row in rows}):
        found = [row for row in rows if (row["config"], row["epochs"]) == (config, epochs)]
        lines.append(f"{config}, {epochs} epochs: {found[0]['metric']} on the val data")
        lines.append(f"{'model':36} {'runs':>4} {'mean':>7} {'spread':>7} {'minutes':>8}  by seed")
        for name in dict.fromkeys(row["model"] for row in sorted(found, key=lambda row: row["kind"] != "ours")):
            runs = [row for row in found if row["model"] == name]
            scores = {row["seed"]: 100 * row["value"] for row in runs}
            times = [row["seconds"] / 60 for row in runs if row["seconds"] is not None]
            minutes = f"{statistics.mean(times):.1f}" if times else "-"
            spread = max(scores.values()) - min(scores.values())
            by_seed = ", ".join(f"{seed}: {scores[seed]:.2f}" for seed in sorted(scores))
            mean = statistics.mean(scores.values())
            lines.append(f"{name:36} {len(scores):4} {mean:7.2f} {spread:7.2f} {minutes:>8}  {by_seed}")
    return lines


def length_of(config):
    """Return the epochs of a config, rounded."""
    if config.train_cfg.get("max_iters") is None:
        raise UserError(f"{config.filename} counts epochs; give --epochs, and a config with train_cfg.max_iters")
    images = len(build_dataset(config, "train_dataloader"))
    return max(1, round(config.train_cfg.max_iters * config.train_dataloader.batch_size / images))


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], metavar="N")
    parser.add_argument("--only", nargs="+", metavar="MODEL")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), metavar="DIR")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(words)
    try:
        config = load_config(options.config, options.cfg_options)
        kinds_of(model_task(config).name, options.only)
        if options.epochs is not None and options.epochs < 1:
            raise UserError(f"--epochs {options.epochs}: give a number from 1")
        if not options.table:
            train_all(options, config, options.epochs or length_of(config))
    except UserError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    print("\n".join(table(read_rows(options.out / "rows.jsonl"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
