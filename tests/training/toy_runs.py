"""Run the toy config, in this process or in another one."""

import os
import subprocess
import sys
from pathlib import Path

from densevision.config.load import load_config
from densevision.training.runner import DenseRunner, build_runner

CONFIG = Path(__file__).with_name("toy_config.py")
ROOT = CONFIG.parents[2]
FAST = ("default_hooks.curves=None", "train_cfg.max_iters=2")  # overrides of a run that is about its start or end


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def make_runner(work_dir: Path, *overrides: str, resume: bool = False, training: bool = True) -> DenseRunner:
    config = load_config(CONFIG, overrides)
    config.work_dir, config.resume = str(work_dir), resume
    return build_runner(config, training=training)


def train(work_dir: Path, *overrides: str, resume: bool = False) -> DenseRunner:
    runner = make_runner(work_dir, *overrides, resume=resume)
    runner.train()
    return runner


def start_process(*words: object, folder: Path = ROOT) -> subprocess.Popen:
    """Start python with ``words`` as the leader of a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    """Wait, then return exit status, output and errors."""
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def command(work_dir: Path, *words: object) -> tuple[int, str, str]:
    """Run ``densevision train`` on the toy config."""
    return finish(start_process("-m", "densevision.cli.main", "train", CONFIG, "--work-dir", work_dir, *words))
