"""``densevision quickstart``: train, evaluate and run both models on rendered driving scenes."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densevision.atomic import write_json
from densevision.cli.own_folder import OwnFolder
from densevision.json_text import parse_json

if TYPE_CHECKING:
    from densevision.inference.predictor import Predictor

CONFIGS = {
    "detection": "ssdlite_v3_small_reduced_scenes",
    "segmentation": "lraspp_v3_small_scenes",
}
SCENES = dict(train=240, val=40, video_seconds=8)  # numbers of images, and the length of the video
_SHOWN = ("coco/AP", "coco/AP50", "seg/mIoU", "seg/aAcc")  # metrics of the closing table
_ROWS = 3  # of comparison.png
_TRAINING = (
    *("best.pth", "iter_*.pth", "last_checkpoint", "curves.*", "report.*", "train_batch.png", "val_predictions.png"),
    *(".*.part*", "2???????_??????/*", "test/*"),
)
_RESULTS = (*(f"{task}{suffix}" for task in CONFIGS for suffix in (".mp4", ".webm")), "comparison.png", "summary.json")
WRITES = (
    "scenes/leftImg8bit/*/street/street_*_leftImg8bit.png",
    "scenes/gtFine/*/street/street_*_gtFine_labelIds.png",
    "scenes/annotations/instances_*.json",
    "scenes/drive.mp4",
    *_RESULTS,
    *(f"{task}/{name}" for task, config in CONFIGS.items() for name in (*_TRAINING, f"{config}.py")),
)
EXCLUSIVE = ("scenes/*", "detection/test/*", "segmentation/test/*", *_RESULTS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="results folder (default: runs/demo)")
    parser.add_argument("--seed", type=_seed, default=0, help="another seed renders other streets (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Render, train, evaluate and annotate; return 128 + the signal's number if a signal ended it."""
    from densevision.training.stop import TrainingStopped

    try:
        make(arguments.out.absolute(), arguments.seed)
    except TrainingStopped as stopped:
        print(f"{stopped}; the same command starts over", file=sys.stderr)
        return 128 + stopped.signal_number
    return 0


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def make(out: Path, seed: int, scenes: Mapping[str, Any] = SCENES, overrides: Sequence[str] = ()) -> None:
    """Write everything into a folder, and end with a table and ``summary.json``.

    Args:
        scenes: arguments of ``write_dataset``.
        overrides: of both configs.
    Raises:
        UserError: the folder contains files of the user.
    """
    from densevision.scenes import write_dataset
    from densevision.training.process import tune_process

    with OwnFolder(out, WRITES, EXCLUSIVE).claimed():
        start = time.time()
        print("rendering driving scenes", flush=True)
        video = write_dataset(out / "scenes", **scenes, seed=seed)
        tune_process()
        metrics: dict[str, float] = {}
        files, models = {"video": str(video)}, {}
        for task, config in CONFIGS.items():
            print(f"\n{task}: training {config}", flush=True)
            found, models[task], made = train(task, out, video, overrides)
            metrics |= found
            files |= {f"{task}/{kind}": place for kind, place in made.items()}
        files["comparison"] = str(compare(models, out))
        write_summary(metrics, files, time.time() - start, out / "summary.json")
    print("\n".join(["to see both models in a browser:", *map(_as_called, browser_commands(out))]))


def train(
    task: str, out: Path, video: Path, overrides: Sequence[str]
) -> tuple[dict[str, float], Predictor, dict[str, str]]:
    """Train one model on ``out/scenes``, evaluate it with the official tool and annotate the video.

    Returns:
        The metrics, the predictor, and the paths of what was made, by kind.
    """
    from densevision import api
    from densevision.config.derive import LOADERS
    from densevision.video.annotate import annotate_video
    from densevision.video.encoders import ffmpeg_with_h264
    from densevision.video.views import ModelView

    roots = [f"{loader}.dataset.data_root={out / 'scenes'}" for loader in LOADERS]
    api.train(CONFIGS[task], work_dir=out / task, overrides=[*roots, *overrides])
    best = out / task / "best.pth"
    evaluation = api.evaluate(best, work_dir=out / task / "test")
    print(evaluation.table, flush=True)
    metrics = evaluation.metrics
    if task == "segmentation":
        metrics["cityscapesscripts/mIoU"] = official_miou(out)
    predictor = api.load(best).predictor
    annotated = out / f"{task}{'.mp4' if ffmpeg_with_h264() else '.webm'}"  # OpenCV writes .webm faster
    annotate_video(ModelView(predictor, CONFIGS[task]), str(video), annotated)
    made = dict(checkpoint=best, curves=out / task / "curves.png", video=annotated)
    return metrics, predictor, evaluation.files | {kind: str(path) for kind, path in made.items()}


def official_miou(out: Path) -> float:
    """Score the written label images with cityscapesscripts, for the classes of the data set only."""
    from densevision.segmentation.official import official_iou

    labels = sorted((out / "scenes" / "gtFine" / "val").glob("*/*_labelIds.png"))
    return official_iou(out / "segmentation" / "test" / "predictions", labels)["mIoU"]


def compare(predictors: Mapping[str, Any], out: Path) -> Path:
    """Draw ``comparison.png``: ground truth next to prediction, boxes and label maps."""
    import numpy as np

    from densevision.images import read_image, write_image
    from densevision.segmentation.cityscapes import class_info, read_label_ids
    from densevision.visualize import draw_boxes, draw_labels, draw_truth, side_by_side

    detect, segment = predictors["detection"], predictors["segmentation"]
    table = parse_json((out / "scenes/annotations/instances_val.json").read_text())
    label_of = {row["id"]: detect.classes.index(row["name"]) for row in table["categories"]}
    index_of = np.full(256, 255, np.uint8)
    index_of[class_info(segment.classes)["label_ids"]] = np.arange(len(segment.classes))
    rows = []
    for image in table["images"][:_ROWS]:
        pixels = read_image(out / "scenes/leftImg8bit/val" / image["file_name"])
        objects = [row for row in table["annotations"] if row["image_id"] == image["id"]]
        boxes = np.array([row["bbox"] for row in objects], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([label_of[row["category_id"]] for row in objects], np.int64)
        name = image["file_name"].replace("leftImg8bit", "gtFine_labelIds")
        label_map = index_of[read_label_ids(out / "scenes/gtFine/val" / name)]
        rows.append(
            [
                draw_truth(pixels, boxes, labels, detect.classes),
                draw_boxes(pixels, detect(pixels), detect.classes),
                draw_labels(pixels, label_map, segment.classes, segment.palette),
                draw_labels(pixels, segment(pixels), segment.classes, segment.palette),
            ]
        )
    titles = ["boxes: ground truth", "boxes: predicted", "labels: ground truth", "labels: predicted"]
    write_image(out / "comparison.png", side_by_side(rows, titles))
    return out / "comparison.png"


def write_summary(metrics: Mapping[str, float], files: dict[str, str], seconds: float, path: Path) -> None:
    """Print the closing table, and write it with all metrics as JSON."""
    from rich.console import Console
    from rich.table import Table

    write_json(path, dict(metrics) | {"files": files, "seconds": round(seconds, 1)})
    table = Table("what", "figure", title="densevision quickstart")
    for key in _SHOWN:
        table.add_row(key, f"{metrics[key]:.3f}")
    table.add_row("seconds", f"{seconds:.0f}", end_section=True)
    for name in ("detection/video", "segmentation/video", "comparison", "detection/curves", "segmentation/curves"):
        table.add_row(name, files[name])
    table.add_row("summary", str(path))
    Console(width=None if Console().is_terminal else 140).print(table)


def _as_called(line: str) -> str:
    """Name the program by the path that it was called by, where it is not on the PATH, as after ``make demo``."""
    program = Path(sys.argv[0])
    if program.name != "densevision" or shutil.which("densevision"):
        return line
    return line.replace("densevision", shlex.quote(str(program)), 1)


def browser_commands(out: Path) -> list[str]:
    """Return the command lines that export both models and write a page that runs them in a browser."""
    models = [shlex.quote(str(out / f"{task}.tflite")) for task in CONFIGS]
    lines = [
        f"densevision export {shlex.quote(str(out / task / 'best.pth'))} --out {model}"
        for task, model in zip(CONFIGS, models, strict=True)
    ]
    return [*lines, f"densevision web {' '.join(models)} --out {shlex.quote(str(out / 'site'))}"]
