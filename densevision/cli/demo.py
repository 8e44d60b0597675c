"""``densevision demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from densevision.cli.files import add_files, check_frames, split_files


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
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results per frame")


def run(arguments: argparse.Namespace) -> int:
    """Draw the results; returns 130 when Ctrl-C ended it early, with what was done so far written."""
    from densevision.api import load
    from densevision.errors import UserError
    from densevision.video.annotate import Window, annotate_video

    if not (arguments.out or arguments.json or arguments.show):
        raise UserError("nothing to do with the results; give --out, --json or --show")
    check_frames(arguments.input, arguments.out, arguments.json, arguments.files)
    if arguments.every < 1:
        raise UserError(f"--every {arguments.every}: give a whole number from 1")
    window = Window() if arguments.show else None
    config, path = split_files(arguments.files)
    model = load(path, config, score_threshold=arguments.score_threshold, nms=arguments.nms)
    report = annotate_video(
        model.predictor,
        arguments.input,
        arguments.out,
        json_path=arguments.json,
        window=window,
        every=arguments.every,
        name=path.name,
    )
    return 130 if report.interrupted else 0
