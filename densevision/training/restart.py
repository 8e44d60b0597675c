"""A job that torchrun or Slurm has started again continues from its own last checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from densevision.checkpoints.reading import read_checkpoint
from densevision.training.checkpoint_hook import find_last_checkpoint

JOB = "job"  # in the meta of a checkpoint


def job_name() -> str | None:
    """Return the name of this job, the same after a restart; None outside of Slurm and torchrun."""
    slurm, torchrun = os.environ.get("SLURM_JOB_ID"), os.environ.get("TORCHELASTIC_RUN_ID")
    if slurm is not None:
        return f"slurm {slurm}"
    return None if torchrun is None else f"torchrun {torchrun}"


def job_meta() -> dict[str, object]:
    """Return what checkpoints of this process store of its job."""
    name = job_name()
    return {} if name is None else {JOB: name}


def is_restart() -> bool:
    """Whether torchrun (``--max-restarts``) or Slurm (``--requeue``) has started this job before."""
    return any(_count(name) > 0 for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"))


def continues(work_dir: Path) -> bool:
    """Whether this start is a restart of the job that wrote the last checkpoint of a folder.

    A checkpoint of another job is an earlier training: this job failed before it began.
    """
    if not is_restart() or (path := find_last_checkpoint(work_dir)) is None:
        return False
    return read_checkpoint(path).get("meta", {}).get(JOB) == job_name()


def _count(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdigit() else 0
