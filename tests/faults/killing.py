"""Tiny trainings of both tasks in forked processes, which are killed at a change of a file or at any instant."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import struct
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.hooks import Hook

from densevision.cli.main import main
from densevision.training.checkpoint_hook import find_last_checkpoint
from tests.faults.folder import chdir
from tests.faults.good import DETECTOR, SEGMENTOR, write_boxes, write_masks
from tests.faults.intercept import kill_self, watched

INTERVAL, LENGTH = 2, 6  # iterations between checkpoints, and of a whole training
_ENDING = f"""
from tests.faults.killing import Reached
train_cfg.update(max_iters={LENGTH}, val_interval=4)
default_hooks.update(curves=dict(type="densevision.CurvesHook"))
default_hooks.checkpoint.update(interval={INTERVAL})
custom_hooks = [dict(type=Reached)]
env_cfg.update(dist_cfg=dict(backend="gloo"))
"""
_LIMIT = 300  # seconds
_SHARED = mmap.mmap(-1, 16)  # of all forked processes: changes of files so far, iterations completed


class Reached(Hook):
    """Record the completed iterations where a killed process leaves them."""

    priority = "NORMAL"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        _SHARED[8:16] = struct.pack("q", runner.iter + 1)


@dataclass(frozen=True)
class Kill:
    """When to kill a training.

    Attributes:
        change: number of the change of a file, from 1; 0 kills after ``seconds``.
        half: whether half of the file is there.
        rank: of the process that dies; the others are ended as torchrun ends them.
    """

    change: int = 0
    half: bool = False
    seconds: float = 0.0
    rank: int = 0


def write_data(folder: Path) -> None:
    """Write six images with boxes, four with masks, and both configs."""
    write_boxes(folder / "boxes")
    write_masks(folder / "masks")
    for name in ("train", "val"):
        path = folder / "boxes" / f"{name}.json"
        table = json.loads(path.read_text())
        for image in list(table["images"]):
            twin = f"twin_{image['file_name']}"
            (folder / "boxes/images" / twin).write_bytes((folder / "boxes/images" / image["file_name"]).read_bytes())
            table["images"].append(image | dict(id=image["id"] + 100, file_name=twin))
        table["annotations"] += [
            note | dict(id=note["id"] + 100, image_id=note["image_id"] + 100) for note in table["annotations"]
        ]
        path.write_text(json.dumps(table))
    (folder / "det.py").write_text(DETECTOR + _ENDING)
    (folder / "seg.py").write_text(SEGMENTOR + _ENDING)


def run(folder: Path, words: list[str], *, processes: int = 1, kill: Kill | None = None) -> tuple[list[int], int, int]:
    """Run ``densevision`` with ``words`` in forked processes.

    Returns:
        Statuses as ``os.waitstatus_to_exitcode``, the changes of files by the process that may be killed, and the
        completed iterations.
    """
    _SHARED[:] = bytes(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            _run_child(folder, words, (rank, processes, port), kill)
        children.append(child)
    statuses = _wait(children, kill.seconds if kill and not kill.change else None)
    return statuses, *struct.unpack("qq", _SHARED[:16])


def _run_child(folder: Path, words: list[str], place: tuple[int, int, int], kill: Kill | None) -> None:
    status = 99
    try:
        rank, processes, port = place
        os.setpgid(0, 0)
        log = os.open(folder / f"log_{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        torch.set_num_threads(1)  # a forked process has no threads of OpenMP
        os.chdir(folder)
        os.environ.pop("DENSEVISION_DATA", None)
        if processes > 1:
            _set_place(rank, processes, port)
            words = [*words, "--launcher", "pytorch"]
        if kill is None or kill.rank == rank:
            with watched(_work_dir(folder, words), lambda *change: _count(kill, *change)):
                status = main(words)
        else:
            status = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def run_here(folder: Path, words: list[str]) -> int:
    """Run ``densevision`` in this process, whose forks then have all imports; return the number of changes of files."""
    _SHARED[:] = bytes(16)
    with chdir(folder), watched(_work_dir(folder, words), lambda *change: _count(None, *change)):
        assert main(words) == 0
    return struct.unpack("q", _SHARED[:8])[0]


def _work_dir(folder: Path, words: list[str]) -> Path:
    return folder / words[words.index("--work-dir") + 1]


def _set_place(rank: int, processes: int, port: int) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes))
    os.environ.update(LOCAL_WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))


def _count(kill: Kill | None, event: str, path: Path) -> None:
    count = struct.unpack("q", _SHARED[:8])[0] + 1
    _SHARED[:8] = struct.pack("q", count)
    if kill is not None and count == kill.change:
        kill_self(event, path, half=kill.half)


def _wait(children: list[int], seconds: float | None) -> list[int]:
    """Wait for all; once one is killed, or after ``seconds``, kill all."""
    started, statuses = time.monotonic(), dict.fromkeys(children, None)
    while None in statuses.values():
        age = time.monotonic() - started
        late = age > (_LIMIT if seconds is None else seconds)
        if late or -signal.SIGKILL in statuses.values():
            for child in children:
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
        for child in (one for one, status in statuses.items() if status is None):
            done, status = os.waitpid(child, os.WNOHANG)
            statuses[child] = os.waitstatus_to_exitcode(status) if done else None
        time.sleep(0.01)
    if seconds is None and time.monotonic() - started > _LIMIT:
        raise TimeoutError(f"the training took more than {_LIMIT} s")
    return list(statuses.values())


class Chain:
    """A training that is killed and resumed, again and again, until it is finished.

    Args:
        folder: with the data and the configs.
        name: of the config, without ``.py``.
        work: name of the new work dir.
    Raises:
        AssertionError: a resume failed, or lost more than one interval between checkpoints.
    """

    def __init__(self, folder: Path, name: str, work: str, *, processes: int = 1):
        self.folder, self.work, self.processes = folder, folder / work, processes
        self._words = ["train", f"{name}.py", "--work-dir", work, "--quiet"]
        self._kept = 0  # iteration of the last checkpoint

    def run(self, kill: Kill | None = None) -> bool:
        """Train from the last checkpoint; return whether the training was killed, not finished."""
        last = find_last_checkpoint(self.work) if self.work.exists() else None
        words = [*self._words, "--resume"] if last else self._words
        statuses, changes, reached = run(self.folder, words, processes=self.processes, kill=kill)
        killed = -signal.SIGKILL in statuses
        log = (self.folder / "log_0").read_text()[-2000:]
        # of two processes, one that lost the other ends with an error, or is ended
        assert killed or set(statuses) == {0}, f"{kill} after {last}: {statuses}\n{log}"
        last = find_last_checkpoint(self.work) if self.work.exists() else None
        kept = int(last.stem.removeprefix("iter_")) if last else 0
        assert kept >= max(self._kept, reached - INTERVAL), f"{kill}: reached {reached}, kept {kept}"
        self._kept = kept
        return killed


def differs(work: Path, whole: Path) -> str | None:
    """Return what differs between two finished trainings, bit by bit, or None."""
    for name in (f"iter_{LENGTH}.pth", "best.pth"):
        one, other = (torch.load(folder / name, weights_only=True) for folder in (work, whole))
        for part in ("state_dict", "ema_state_dict", "optimizer"):
            if not _equal(one.get(part), other.get(part)):
                return f"{name} has another {part}"
    if (work / "curves.csv").read_bytes() != (whole / "curves.csv").read_bytes():
        return "curves.csv differs"
    left = [path.name for path in work.rglob(".*")]
    return f"left {left}" if left else None


def _equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other
