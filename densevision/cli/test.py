"""``densevision test``."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from densevision.cli.files import add_files, check_output, check_work_dir, split_files, write_json
from densevision.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_files(parser)
    parser.add_argument("--config", type=Path, help="the config file, where FILE is a .tflite")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the metrics and the result files' paths")
    parser.add_argument("--work-dir", help="where result files go (default: work_dirs/<config name>/test, of a .tflite "
                        "work_dirs/<config name>/test_<its name>)")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values"
    )
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="many processes")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the official table, write the result files."""
    from mmengine.dist import is_main_process

    from densevision.training.checkpoint import plain
    from densevision.training.metrics import warn_if_worthless
    from densevision.training.progress import ranking_metric
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
    folder = default_folder(path, model) if arguments.work_dir is None else arguments.work_dir
    check_work_dir(folder, path)
    metrics, table, files = evaluate(config, model, folder)
    if is_main_process():
        print(table)
        if warning := warn_if_worthless(metrics, ranking_metric(config)):
            print(warning)
        print(f"result files are in {folder}")
        if arguments.json:
            write_json(arguments.json, {**plain(metrics), "files": files})
    return 0


def default_folder(config: Path, model: Path) -> Path:
    """Return where the result files of a checkpoint or a .tflite go: neither overwrites the other's."""
    return Path("work_dirs", config.stem, f"test_{model.stem}" if model.suffix == ".tflite" else "test")


def evaluate(config, checkpoint: Path, folder: str | Path) -> tuple[dict[str, float], str, dict[str, str]]:
    """Run the config's test metrics on a checkpoint or a .tflite.

    Args:
        config: from ``load_config``.
        checkpoint: of the config's model, or exported from one.
        folder: where the result files go; it is made.
    Returns:
        The metrics by key, the tables to print, and the result files' paths by kind; in a process other than the
        main one without files.
    Raises:
        UserError: config, data or checkpoint are at fault.
    """
    from mmengine.dist import is_main_process

    from densevision.training.metrics import tables, write_reports
    from densevision.training.runner import build_runner, read_checkpoint
    from densevision.training.workdir import record_results

    if checkpoint.suffix == ".tflite":
        return _evaluate_tflite(config, checkpoint, folder)
    read_checkpoint(checkpoint)  # a wrong path shows before the data set is read
    config.work_dir, config.load_from, config.resume = str(folder), str(checkpoint), False
    runner = build_runner(config, training=False)
    figures = runner.test(Path(folder))
    if not is_main_process():
        return figures, "", {}
    metrics = runner.test_evaluator.metrics
    files = write_reports(metrics, Path(folder))
    record_results(Path(folder), Path(config.filename))
    return figures, tables(metrics, figures), files


def _evaluate_tflite(config, path: Path, folder: str | Path) -> tuple[dict[str, float], str, dict[str, str]]:
    from densevision.deploy.evaluate import build_dataset, evaluate_predictor
    from densevision.deploy.tflite import load_tflite
    from densevision.training.workdir import WorkDir, protect_others, record_results

    if config.get("launcher", "none") != "none":
        raise UserError("--launcher: a .tflite is evaluated in one process; leave --launcher out")
    predictor = load_tflite(path)
    made, config_file = WorkDir(folder), Path(config.filename)
    try:
        data = build_dataset(config, "test_dataloader")
        if moved := protect_others(made.path, config_file, time.strftime("%Y%m%d_%H%M%S")):
            print(f"{folder} held other files of these names; they are now in {moved}")
        made.claim(made.path / "predictions")
        result = evaluate_predictor(predictor, data, config.test_evaluator, Path(folder), say=print)
    except UserError:
        made.clear()
        raise
    record_results(made.path, config_file)
    return result
