"""``densevision demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densevision.cli.files import add_files, check_frames, split_files
from densevision.errors import UserError

if TYPE_CHECKING:
    from densevision.video.views import ModelView, View


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what is None was not given."""
    add_files(parser)
    kinds = "VIDEO|URL|FOLDER|PATTERN|IMAGE|CAMERA"
    parser.add_argument(
        "--input",
        required=True,
        metavar=kinds,
        help='a stream by its URL (rtsp://, https://), images also as "photos/*.jpg", a camera by its number, 0',
    )
    help_ = "a video (.mp4, .webm), an animation (.gif), an image (.jpg, .png), or a folder for images"
    parser.add_argument("--out", type=Path, metavar="OUT", help=help_)
    parser.add_argument("--output", type=Path, dest="out", help=argparse.SUPPRESS)  # its name until 0.4
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth frame only (default: 1)")
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q closes it")
    parser.add_argument("--score-threshold", type=float, help="detector: lowest score (default: the model's, else 0.3)")
    parser.add_argument(
        "--nms",
        choices=("across-classes", "per-class"),
        help="detector: of overlapping boxes keep the best one of all, or of each class (default: across-classes)",
    )
    parser.add_argument("--classes", metavar="A,B", help="show and record these classes only")
    parser.add_argument(
        "--track", action="store_true", help="detector: number the objects (needs the package trackers)"
    )
    parser.add_argument(
        "--against", type=Path, metavar="MODEL", help="a second checkpoint or .tflite, shown on the right"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results per frame")


def run(arguments: argparse.Namespace) -> int:
    """Draw the results; returns 130 when Ctrl-C ended it early, with what was done so far written."""
    from densevision.video.annotate import Window, annotate_video

    if not (arguments.out or arguments.json or arguments.show):
        raise UserError("nothing to do with the results; give --out, --json or --show")
    check_frames(arguments.input, arguments.out, arguments.json, [*arguments.files, *filter(None, [arguments.against])])
    if arguments.every < 1:
        raise UserError(f"--every {arguments.every}: give a whole number from 1")
    view = _view(arguments)
    window = Window() if arguments.show else None
    report = annotate_video(
        view, arguments.input, arguments.out, json_path=arguments.json, window=window, every=arguments.every
    )
    return 130 if report.interrupted else 0


def _view(arguments: argparse.Namespace) -> View:
    """Load the models that the command line names."""
    from densevision.video.views import PairView

    config, path = split_files(arguments.files)
    names = path.name, arguments.against.name if arguments.against else ""
    if names[0] == names[1]:  # best.pth of two runs
        names = path.absolute().parent.name, arguments.against.absolute().parent.name
    first = _load(arguments, path, config, names[0])
    if not arguments.against:
        return first
    return PairView(first, _load(arguments, arguments.against, None, names[1]))


def _load(arguments: argparse.Namespace, path: Path, config: Path | None, name: str) -> ModelView:
    from densevision.api import load
    from densevision.task import TASKS, foreign_options
    from densevision.video.tracking import Tracker
    from densevision.video.views import ModelView

    predictor: Any = load(path, config, score_threshold=arguments.score_threshold, nms=arguments.nms).predictor
    only = [word.strip() for word in arguments.classes.split(",")] if arguments.classes is not None else []
    tracker = None
    if arguments.track:
        task = TASKS[predictor.task]
        if "--track" in foreign_options(task):
            raise UserError(f"--track has no meaning for a {task.noun}; leave it out")
        tracker = Tracker(predictor.postprocess.score_threshold)
    return ModelView(predictor, name, only, tracker)
