"""``densevision demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.cli.files import add_files, check_frames, split_files

if TYPE_CHECKING:
    from densevision.task import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what is None was not given."""
    add_files(parser)
    kinds = "VIDEO|FOLDER|IMAGE|CAMERA"
    parser.add_argument("--input", required=True, metavar=kinds, help="a camera is given by its number, 0")
    parser.add_argument("--output", type=Path, help="a video (.mp4), an image (.jpg, .png), or a folder for images")
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q closes it")
    parser.add_argument("--score-threshold", type=float, help="detector: lowest score of a box (default: 0.3)")
    parser.add_argument(
        "--nms",
        choices=("across-classes", "per-class"),
        help="detector: of overlapping boxes keep the best one of all, or of each class (default: across-classes)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results by frame")


def run(arguments: argparse.Namespace) -> int:
    """Draw the results; returns 130 when Ctrl-C ended it early, with what was done so far written."""
    from densevision.errors import UserError
    from densevision.video.annotate import Window, annotate_video

    if not (arguments.output or arguments.json or arguments.show):
        raise UserError("nothing to do with the results; give --output, --json or --show")
    threshold = 0.3 if arguments.score_threshold is None else arguments.score_threshold
    if not 0 <= threshold < 1:  # also NaN
        raise UserError(f"--score-threshold {threshold}: give a number from 0 to under 1")
    check_frames(arguments.input, arguments.output, arguments.json, arguments.files)
    window = Window() if arguments.show else None
    config, model = split_files(arguments.files)
    if config is not None and model.suffix == ".tflite":
        raise UserError(f"{model} holds all that it needs; leave {config} out")
    _check_task(arguments, config, model)
    predictor = _load(config, model, threshold, arguments.nms or "across-classes")
    report = annotate_video(predictor, arguments.input, arguments.output, json_path=arguments.json, window=window)
    return 130 if report.interrupted else 0


def _check_task(arguments: argparse.Namespace, config: Path | None, model: Path) -> None:
    """Refuse options of another task, and a threshold that a file can't go down to."""
    from densevision.errors import UserError
    from densevision.inference.metadata import read_model_info
    from densevision.task import foreign_options

    given = {"--score-threshold": arguments.score_threshold, "--nms": arguments.nms}
    options = [name for name, value in given.items() if value is not None]
    if not options:
        return
    task = _task(config, model)
    if foreign := [option for option in options if option in foreign_options(task)]:
        raise UserError(f"{foreign[0]} has no meaning for a {task.noun}; leave it out")
    about = read_model_info(model) if model.suffix == ".tflite" else None
    if arguments.score_threshold is not None and about and about.outputs == "detections":
        lowest = about.postprocess["score_threshold"]
        if arguments.score_threshold < lowest:
            raise UserError(
                f"--score-threshold {arguments.score_threshold:g}: {model} itself reports nothing below "
                f"{lowest:g}; give more, or export it with a lower model.postprocess.score_threshold"
            )


def _task(config: Path | None, model: Path) -> Task:
    if model.suffix == ".tflite":
        from densevision.inference.metadata import read_model_info
        from densevision.task import TASKS

        return TASKS[read_model_info(model).task]
    from densevision.config.load import load_config
    from densevision.inference.load import model_task

    return model_task(load_config(config))


def _load(config: Path | None, model: Path, score_threshold: float, nms: str):
    """A .tflite must run where neither torch nor mmengine is installed."""
    if model.suffix == ".tflite":
        from densevision.inference.tflite_backend import load_tflite

        return load_tflite(model, score_threshold, nms=nms)
    from densevision.inference.load import load_predictor

    return load_predictor(config, model, score_threshold, nms=nms)
