"""``densevision test``."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_json
from densevision.cli.files import add_files, split_files
from densevision.errors import UserError
from densevision.outputs import check_output

if TYPE_CHECKING:
    from densevision.structures import Views


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_files(parser)
    parser.add_argument("--config", type=Path, help="the config file, where FILE is a .tflite")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the metrics and the result files' paths")
    parser.add_argument(
        "--work-dir",
        help="where result files go (default: work_dirs/<config name>/test, of a .tflite "
        "work_dirs/<config name>/test_<its name>)",
    )
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        metavar="S",
        help="evaluate again, with the mean of the scores at these scales",
    )
    parser.add_argument("--flip", action="store_true", help="evaluate again, also with the mirror image of each image")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="many processes")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the official table, write the result files."""
    from mmengine.dist import is_main_process

    from densevision.api import evaluate
    from densevision.checkpoints.config import checkpoint_config
    from densevision.training.checkpoint_hook import plain
    from densevision.training.process import silence_event_writers

    silence_event_writers()
    given, model = split_files(arguments.files, arguments.config)
    if model.suffix == ".tflite" and given is None:
        raise UserError(f"{model}: a .tflite does not name its test data; give its config with --config")
    if arguments.json:
        with contextlib.suppress(OSError):  # reported by check_output
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
        check_output("--json", arguments.json)
    config = checkpoint_config(model, given, arguments.cfg_options)
    config.launcher = arguments.launcher
    found = evaluate(model, config, work_dir=arguments.work_dir, views=_views(arguments))
    if is_main_process():
        print(found.table)
        if found.warning:
            print(found.warning)
        print(f"result files are in {found.work_dir}")
        if arguments.json:
            listed = {
                name: value.tolist() if hasattr(value, "tolist") else value for name, value in found.metrics.items()
            }
            write_json(arguments.json, plain({**listed, "files": found.files}), "--json")
    return 0


def _views(arguments: argparse.Namespace) -> Views | None:
    if not arguments.scales and not arguments.flip:
        return None
    from densevision.structures import Views

    return Views(tuple(arguments.scales or (1.0,)), flip=arguments.flip)
