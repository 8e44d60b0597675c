"""``densevision train``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a config file, or the name of a shipped config")
    parser.add_argument("--work-dir", help="where results go (default: work_dirs/<config name>)")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint of the work dir")
    parser.add_argument(
        "--max-time", metavar="20m", help="scale the schedule so that the training ends in 90s, 20m, 2h"
    )
    parser.add_argument(
        "--patience", type=int, metavar="N", help="stop after N evaluations in a row without a new best score"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="try one batch, an evaluation and a checkpoint; leaves no file"
    )
    parser.add_argument(
        "--amp",
        nargs="?",
        const="bf16",
        choices=("bf16", "fp16"),
        help="mixed precision (default: bf16; fp16 on older GPUs)",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change config values, model.width=0.5",
    )
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="many processes")


def run(arguments: argparse.Namespace) -> int:
    """Train and return 0, or 128 + the number of the signal that stopped it."""
    began = time.perf_counter()
    from mmengine.dist import is_main_process

    from densevision.api import train
    from densevision.config.load import load_config
    from densevision.training.lengths import parse_duration
    from densevision.training.prepare import whole_number
    from densevision.training.process import command_since, tune_process
    from densevision.training.stop import TrainingStopped

    config = load_config(arguments.config, arguments.cfg_options)
    config.launcher = arguments.launcher
    if arguments.max_time is not None:
        parse_duration("--max-time", arguments.max_time)
    if arguments.patience is not None:
        config.merge_from_dict({"train_cfg.patience": whole_number("--patience", arguments.patience)})
    tune_process()
    if arguments.dry_run:
        return _dry_run(config, arguments)
    options = dict(work_dir=arguments.work_dir, resume=arguments.resume, amp=arguments.amp)
    try:
        with command_since(began):
            result = train(config, max_time=arguments.max_time, **options)
    except TrainingStopped as stopped:
        if is_main_process():
            print(f"{stopped}; the same command with --resume continues from there", file=sys.stderr)
        return 128 + stopped.signal_number
    if is_main_process():
        print(f"trained; checkpoints and curves are in {result.work_dir}")
        if result.report:
            print(f"report: {result.report}")
    return 0


def _dry_run(config: Config, arguments: argparse.Namespace) -> int:
    from densevision.training.dry_run import dry_run
    from densevision.training.plan import use_amp

    if arguments.resume or arguments.max_time is not None:
        raise UserError("--dry-run tries the start of a training; omit --resume and --max-time")
    config.work_dir = arguments.work_dir or str(Path("work_dirs", Path(config.filename).stem))
    if arguments.amp:
        use_amp(config, arguments.amp)
    for line in dry_run(config):
        print(line)
    return 0
