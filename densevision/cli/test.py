"""``densevision test``."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from densevision.atomic import write_json
from densevision.cli.files import add_files, check_output, check_work_dir, split_files
from densevision.errors import UserError


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
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="many processes")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the official table, write the result files."""
    from mmengine.dist import is_main_process

    from densevision.config.load import load_config
    from densevision.evaluation import evaluate
    from densevision.training.checkpoint_hook import plain
    from densevision.training.metrics import warn_if_worthless
    from densevision.training.progress import ranking_metric

    path, model = split_files(arguments.files, arguments.config)
    if path is None:
        raise UserError(f"{model}: a .tflite knows no test data; give its config with --config")
    if arguments.json:
        with contextlib.suppress(OSError):  # said by check_output
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
        check_output("--json", arguments.json)
    config = load_config(path, arguments.cfg_options)
    config.launcher = arguments.launcher
    folder = default_folder(path, model) if arguments.work_dir is None else arguments.work_dir
    check_work_dir(folder, path)
    metrics, table, files = evaluate(config, model, folder)
    if is_main_process():
        print(table)
        if warning := warn_if_worthless(metrics, ranking_metric(config)):
            print(warning)
        print(f"result files are in {folder}")
        if arguments.json:
            write_json(arguments.json, {**plain(metrics), "files": files}, "--json")
    return 0


def default_folder(config: Path, model: Path) -> Path:
    """Return where the result files of a checkpoint or a .tflite go: neither overwrites the other's."""
    return Path("work_dirs", config.stem, f"test_{model.stem}" if model.suffix == ".tflite" else "test")
