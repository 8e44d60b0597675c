"""The processes that share a search: the first decides and measures, all of them compute.

They exchange jobs and scores through the key-value store of torch.distributed. There is no process group: with one, the
losses of different networks would be averaged over the processes.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pickle
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch.distributed import Store, rendezvous

from densevision.adapt.work import Job
from densevision.errors import UserError

_PATIENCE = timedelta(days=2)  # the others wait while the first one measures
_FAREWELL = timedelta(seconds=60)


@dataclass(frozen=True)
class Group:
    """The processes that a launcher has started, and this one's number."""

    store: Store
    rank: int
    size: int


class Team:
    """Spreads jobs over processes.

    Args:
        score: does a job in this process.
        group: from ``join``; None: this process does all jobs.
    """

    def __init__(self, score: Callable[[Job], float], group: Group | None = None) -> None:
        self._score, self._group, self._round = score, group, 0
        self.rank, self.size = (group.rank, group.size) if group else (0, 1)

    def scores(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, float]]:
        """Yield the jobs with their scores in their order; to be called in the first process.

        As many as there are processes are done at once. A failure in another process is raised here.
        """
        for start in range(0, len(jobs), self.size):
            share = jobs[start : start + self.size]
            self._send(share)
            for job, found in zip(share, self._collect(share), strict=True):
                if isinstance(found, BaseException):
                    raise found
                yield job, found

    def serve(self) -> None:
        """Do this process's jobs until the first one calls ``end``; to be called in the others."""
        assert self._group
        while share := _read(self._group.store.get(f"jobs {self._round}")):
            if self.rank < len(share):
                self._answer(self._result(share[self.rank]))
            self._round += 1
        self._group.store.set(f"left {self.rank}", "")

    def end(self) -> None:
        """Let the other processes leave, and wait for it: the store may be this process's."""
        if self._group and self.rank == 0:
            self._send([])
            with contextlib.suppress(RuntimeError):  # one is gone already
                self._group.store.wait([f"left {rank}" for rank in range(1, self.size)], _FAREWELL)

    def _send(self, share: Sequence[Job]) -> None:
        if self._group:
            self._group.store.set(f"jobs {self._round}", _text(share))

    def _collect(self, share: Sequence[Job]) -> list[Any]:
        """Return the results of a round; the first process's own job is the first."""
        if self._group is None:
            return [self._score(share[0])]
        found = [self._result(share[0])]
        found += [_read(self._group.store.get(f"{self._round} {rank}")) for rank in range(1, len(share))]
        self._round += 1
        return found

    def _result(self, job: Job) -> float | Exception:
        try:
            return self._score(job)
        except Exception as error:
            return error

    def _answer(self, result: float | Exception) -> None:
        assert self._group
        try:
            content = _text(result)
        except Exception:  # an exception that carries what can't be sent
            content = _text(RuntimeError(str(result)))
        self._group.store.set(f"{self._round} {self.rank}", content)


def _text(value: object) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


def _read(content: bytes) -> Any:
    return pickle.loads(base64.b64decode(content))


def join(launcher: str) -> Group | None:
    """Connect this process to the others that torchrun or srun has started; None without a launcher.

    Raises:
        UserError: neither has started it.
    """
    if launcher == "none":
        return None
    if launcher == "slurm":
        _read_slurm()
    if any(name not in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        start = "torchrun --nproc-per-node N -m densevision adapt ..." if launcher == "pytorch" else "srun"
        raise UserError(f"--launcher {launcher}: this process was not started by {start}")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    store, rank, size = next(rendezvous("env://", timeout=_PATIENCE))
    return Group(store, rank, size)


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
