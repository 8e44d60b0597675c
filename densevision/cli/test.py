"""``densevision test``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", type=Path, help="the config file of the training")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint that it wrote, best.pth or iter_N.pth")
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

    config = load_config(arguments.config, arguments.cfg_options)
    config.launcher = arguments.launcher
    folder = arguments.work_dir or Path("work_dirs", arguments.config.stem, "test")
    metrics, table, files = evaluate(config, arguments.checkpoint, folder)
    if is_main_process():
        print(table)
        print(f"result files are in {folder}")
        if arguments.json:
            write_metrics(arguments.json, metrics, files)
    return 0


def evaluate(config, checkpoint: Path, folder: Path) -> tuple[dict[str, float], str, dict[str, str]]:
    """Run the config's test metric on a checkpoint.

    Args:
        config: from ``load_config``.
        checkpoint: of the config's model.
        folder: where the result files go; it is made.
    Returns:
        The metrics by key, the table to print, and the result files' paths by kind; in a process other than the
        main one without files.
    Raises:
        UserError: config, data or checkpoint are at fault.
    """
    from mmengine.dist import is_main_process

    from densevision.training.runner import build_runner, read_checkpoint

    read_checkpoint(checkpoint)  # a wrong path shows before the data set is read
    config.work_dir, config.load_from = str(folder), str(checkpoint)
    runner = build_runner(config, training=False)
    metric = runner.test_evaluator.metrics[0]
    metric.out_dir = folder / "predictions"
    metrics = runner.test()
    if not is_main_process():
        return metrics, "", {}
    return metrics, metric.table, metric.write_report(folder)


def write_metrics(path: Path, metrics: dict[str, float], files: dict[str, str]) -> None:
    """Write the metrics, and under "files" the result files' paths, as json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**metrics, "files": files}, indent=2) + "\n")
