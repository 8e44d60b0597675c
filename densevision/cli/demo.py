"""``densevision demo``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", type=Path, help="the config file of the training")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint that it wrote, best.pth or iter_N.pth")
    kinds = "VIDEO|FOLDER|IMAGE|CAMERA"
    parser.add_argument("--input", required=True, metavar=kinds, help="a camera is given by its number, 0")
    parser.add_argument(
        "--output", type=Path, help="a video (.mp4), an image (.jpg, .png), or a folder for images"
    )
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q closes it")
    parser.add_argument(
        "--score-threshold", type=float, default=0.3, help="lowest score of a detection (default: 0.3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results by frame")


def run(arguments: argparse.Namespace) -> int:
    """Film the results; returns 130 when Ctrl-C ended it early, with what was done so far written."""
    from densevision.deploy.load import load_predictor
    from densevision.errors import UserError
    from densevision.video.film import Window, film

    if not (arguments.output or arguments.json or arguments.show):
        raise UserError("nothing to do with the results; give --output, --json or --show")
    if not 0 <= arguments.score_threshold < 1:
        raise UserError(f"--score-threshold {arguments.score_threshold}: give a number from 0 to 1")
    window = Window() if arguments.show else None
    predictor = load_predictor(arguments.config, arguments.checkpoint, arguments.score_threshold)
    report = film(predictor, arguments.input, arguments.output, json_path=arguments.json, window=window)
    return 130 if report.interrupted else 0
