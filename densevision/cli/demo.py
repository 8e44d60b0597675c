"""``densevision demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from densevision.cli.files import add_files, check_frames, split_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_files(parser)
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
    from densevision.errors import UserError
    from densevision.video.film import Window, film

    if not (arguments.output or arguments.json or arguments.show):
        raise UserError("nothing to do with the results; give --output, --json or --show")
    if not 0 <= arguments.score_threshold < 1:
        raise UserError(f"--score-threshold {arguments.score_threshold}: give a number from 0 to 1")
    check_frames(arguments.input, arguments.output, arguments.json, arguments.files)
    window = Window() if arguments.show else None
    predictor = _load(*split_files(arguments.files), arguments.score_threshold)
    report = film(predictor, arguments.input, arguments.output, json_path=arguments.json, window=window)
    return 130 if report.interrupted else 0


def _load(config: Path | None, model: Path, score_threshold: float):
    """A .tflite must run where neither torch nor mmengine is installed."""
    if model.suffix == ".tflite":
        from densevision.deploy.tflite import load_tflite

        return load_tflite(model, score_threshold)
    from densevision.deploy.load import load_predictor

    return load_predictor(config, model, score_threshold)
