"""``densevision test``."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from densevision.cli.files import add_files, check_output, check_work_dir, split_files, write_json
from densevision.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_files(parser)
    parser.add_argument("--config", type=Path, help="the config file, where FILE is a .tflite")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the metrics and the result files' paths")
    parser.add_argument("--work-dir", type=Path, help="where result files go (default: work_dirs/<config name>/test)")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values"
    )
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="many processes")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the official table, write the result files."""
    from mmengine.dist import is_main_process

    from densevision.training.runner import load_config

    path, model = split_files(arguments.files, arguments.config)
    if path is None:
        raise UserError(f"{model}: a .tflite knows no test data; give its config with --config")
    if arguments.json:
        with contextlib.suppress(OSError):  # said by check_output
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
        check_output("--json", arguments.json)
    config = load_config(path, arguments.cfg_options)
    config.launcher = arguments.launcher
    folder = arguments.work_dir or Path("work_dirs", path.stem, "test")
    check_work_dir(folder, path)
    metrics, table, files = evaluate(config, model, folder)
    if is_main_process():
        print(table)
        print(f"result files are in {folder}")
        if arguments.json:
            write_json(arguments.json, {**metrics, "files": files})
    return 0


def evaluate(config, checkpoint: Path, folder: Path) -> tuple[dict[str, float], str, dict[str, str]]:
    """Run the config's test metric on a checkpoint or a .tflite.

    Args:
        config: from ``load_config``.
        checkpoint: of the config's model, or exported from one.
        folder: where the result files go; it is made.
    Returns:
        The metrics by key, the table to print, and the result files' paths by kind; in a process other than the
        main one without files.
    Raises:
        UserError: config, data or checkpoint are at fault.
    """
    from mmengine.dist import is_main_process

    from densevision.training.runner import build_runner, read_checkpoint

    if checkpoint.suffix == ".tflite":
        return _evaluate_tflite(config, checkpoint, folder)
    read_checkpoint(checkpoint)  # a wrong path shows before the data set is read
    config.work_dir, config.load_from = str(folder), str(checkpoint)
    runner = build_runner(config, training=False)
    metric = runner.test_evaluator.metrics[0]
    metric.out_dir = folder / "predictions"
    metrics = runner.test()
    if not is_main_process():
        return metrics, "", {}
    return metrics, metric.table, metric.write_report(folder)


def _evaluate_tflite(config, path: Path, folder: Path) -> tuple[dict[str, float], str, dict[str, str]]:
    from densevision.deploy.evaluate import build_dataset, evaluate_predictor
    from densevision.deploy.tflite import load_tflite

    if config.get("launcher", "none") != "none":
        raise UserError("--launcher: a .tflite is evaluated in one process; leave --launcher out")
    predictor = load_tflite(path)
    folder.mkdir(parents=True, exist_ok=True)
    return evaluate_predictor(predictor, build_dataset(config, "test_dataloader"), config.test_evaluator, folder)
