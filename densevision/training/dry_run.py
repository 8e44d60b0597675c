"""Try a training: one batch, loss, backward pass, evaluation of one batch with its metrics, and one checkpoint."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from mmengine.config import Config

from densevision.checkpoints.reading import read_checkpoint
from densevision.errors import UserError
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.runner import build_runner
from densevision.training.stop import TrainingStopped

_STOP = 15  # any signal ends a training after its current iteration, with a checkpoint


def dry_run(config: Config) -> list[str]:
    """Go through the start and the first iteration of a training, in a folder that is removed.

    Args:
        config: from ``load_config``, with ``work_dir`` set: the folder is made next to it, on the same disk.
    Returns:
        What was tried, one line each.
    Raises:
        UserError: something is wrong.
    """
    place = Path(config.work_dir).absolute().parent
    while not place.exists():
        place = place.parent
    try:
        holder = tempfile.TemporaryDirectory(prefix=".densevision_dry_run_", dir=place)
    except OSError as error:
        raise UserError(f"--work-dir {config.work_dir}: can't write to {place}: {error.strerror}") from error
    with holder as folder:
        config.work_dir = folder
        runner = build_runner(config)
        runner.keeps_results = False
        runner.stop_request.request(_STOP)
        with contextlib.suppress(TrainingStopped):
            runner.train()
        written = find_last_checkpoint(Path(folder))
        if written is None:
            raise UserError("dry run: no checkpoint was written; is there a CheckpointHook in default_hooks?")
        read_checkpoint(written)
        size = written.stat().st_size / 1e6
        loss = float(runner.message_hub.get_scalar("train/loss").current())
        evaluated = "without an evaluation" if runner.val_loop is None else "one batch evaluated with its metrics"
        return [
            f"dry run: one batch trained (loss {loss:.4g}), {evaluated}, a checkpoint of {size:.1f} MB written and read"
        ]
