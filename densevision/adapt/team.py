"""The processes that share a search: the first decides and measures, all of them compute."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from densevision.adapt.work import Job
from densevision.errors import UserError

_PATIENCE = timedelta(days=2)  # the others wait while the first one measures


class Team:
    """Spreads jobs over the processes of torch.distributed; without these, one process does them all.

    Args:
        score: does a job in this process.
    """

    def __init__(self, score: Callable[[Job], float]) -> None:
        self._score = score
        started = distributed.is_initialized()
        self.rank, self.size = (distributed.get_rank(), distributed.get_world_size()) if started else (0, 1)

    def scores(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, float]]:
        """Yield the jobs with their scores in their order; to be called in the first process.

        As many as there are processes are done at once. A failure in another process is raised here.
        """
        for start in range(0, len(jobs), self.size):
            share = jobs[start : start + self.size]
            self._send(share)
            for job, found in zip(share, self._collect(share), strict=False):
                if isinstance(found, BaseException):
                    raise found
                yield job, found

    def serve(self) -> None:
        """Do this process's jobs until the first one calls ``end``; to be called in the others."""
        while share := self._send(None):
            self._collect(share)

    def end(self) -> None:
        """Let the other processes leave."""
        if self.rank == 0:
            self._send(())

    def _send(self, share: Sequence[Job] | None) -> Sequence[Job]:
        box = [share]
        if self.size > 1:
            distributed.broadcast_object_list(box, src=0)
        return box[0] or ()

    def _collect(self, share: Sequence[Job]) -> list[Any]:
        mine: Any = None
        try:
            mine = self._score(share[self.rank]) if self.rank < len(share) else None
        except Exception as error:
            if self.size == 1:
                raise
            mine = error
        if self.size == 1:
            return [mine]
        gathered: list[Any] | None = [None] * self.size if self.rank == 0 else None
        distributed.gather_object(mine, gathered)
        return gathered or []


def join(launcher: str) -> None:
    """Connect this process to the others that torchrun or srun has started.

    Raises:
        UserError: neither has started it.
    """
    if launcher == "none" or distributed.is_initialized():
        return
    if launcher == "slurm":
        _read_slurm()
    if "RANK" not in os.environ:
        start = "torchrun --nproc-per-node N -m densevision adapt ..." if launcher == "pytorch" else "srun"
        raise UserError(f"--launcher {launcher}: this process was not started by {start}")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    distributed.init_process_group("gloo", timeout=_PATIENCE)


def leave() -> None:
    """Disconnect; if a process ends with gloo's threads running, it may abort."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _read_slurm() -> None:
    """Set the variables of torchrun from those of Slurm."""
    names = dict(RANK="SLURM_PROCID", WORLD_SIZE="SLURM_NTASKS", LOCAL_RANK="SLURM_LOCALID")
    if any(name not in os.environ for name in (*names.values(), "SLURM_NODELIST")):
        return
    os.environ.update({name: os.environ[source] for name, source in names.items()})
    words = ["scontrol", "show", "hostnames", os.environ["SLURM_NODELIST"]]
    try:
        hosts = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"--launcher slurm: scontrol does not list the nodes ({error}); run it inside a job") from error
    os.environ.setdefault("MASTER_ADDR", hosts[0])
    os.environ.setdefault("MASTER_PORT", "29513")
