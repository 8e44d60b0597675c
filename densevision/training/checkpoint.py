"""Checkpoints that survive a crash at any moment and load as plain data.

A file holds tensors, numbers, strings, lists and dicts only, so ``torch.load(weights_only=True)`` reads it
without an allow-list, and nothing in it is ever executed.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from densevision.errors import UserError
from densevision.registry import HOOKS
from densevision.training.stop import TrainingStopped

HISTORY = 1000  # values of every logged scalar that are kept
_NAME = re.compile(r"iter_(\d+)\.pth")


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Save ``iter_<n>.pth`` before and after every evaluation, ``best.pth`` after a better one.

    A file is written beside its final name and then renamed; older ones are removed only after that.

    Args:
        save_best: metric that decides what is best, greater is better; None saves no ``best.pth``.
        interval: iterations between further checkpoints; None saves at evaluations only.
        keep: how many ``iter_<n>.pth`` to keep.
    Raises:
        TrainingStopped: after an iteration during which a stop was asked for, with its checkpoint written.
    """

    priority = "VERY_LOW"  # after the moving average, the schedules and the curves of the same iteration

    def __init__(self, save_best: str | None = None, interval: int | None = None, keep: int = 2):
        self.save_best = save_best
        self.interval = interval
        self.keep = keep
        self._written: list[str] = []

    def before_train(self, runner: Runner) -> None:
        """Sweep what a killed process left half written, and set an earlier training's files aside.

        Raises:
            UserError: no metric has the prefix of ``save_best``.
        """
        self._check_save_best(runner)
        if is_main_process():
            folder = Path(runner.work_dir)
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink()
            if runner.iter == 0 and (moved := set_aside(folder, runner.timestamp)):
                runner.logger.warning(f"{folder} held an earlier training; its files are now in {moved}")
        self._written = list(runner.message_hub.runtime_info.get("checkpoints", []))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Save where it is due, and stop where it was asked for."""
        iteration = runner.iter + 1
        stop = runner.stop_request.agreed()
        if stop or self._due(runner, iteration):
            self._save_latest(runner, iteration)
        if stop:
            raise TrainingStopped(stop, iteration)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Stop in the middle of an evaluation; its iteration was saved before it."""
        stop = runner.stop_request.agreed()
        if stop:
            raise TrainingStopped(stop, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Save the best model so far, and the latest one together with its score."""
        if runner.iter == 0:  # an evaluation alone, not a training
            return
        runner.message_hub.update_info("evaluated_at", runner.iter)
        if self.save_best is not None and self._improves(runner, metrics):
            runner.message_hub.update_info("best_score", float(metrics[self.save_best]))
            runner.message_hub.update_info("best_iteration", runner.iter)
            self._save(runner, "best.pth", runner.iter, resumable=False)
        self._save_latest(runner, runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Turn everything but the tensors into plain Python."""
        scalars = checkpoint["message_hub"]["log_scalars"]
        checkpoint["message_hub"]["log_scalars"] = {
            name: [buffer.data[0][-HISTORY:], buffer.data[1][-HISTORY:]] for name, buffer in scalars.items()
        }
        for key in checkpoint.keys() - {"state_dict", "ema_state_dict"}:
            checkpoint[key] = plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Undo ``before_save_checkpoint`` and drop what mmengine would execute."""
        checkpoint.get("meta", {}).pop("config", None)
        hub = checkpoint.get("message_hub", {"log_scalars": {}})
        hub["log_scalars"] = OrderedDict(
            (name, HistoryBuffer(*history, max_length=HISTORY))
            for name, history in hub["log_scalars"].items()
        )

    def _check_save_best(self, runner: Runner) -> None:
        if self.save_best is None or runner.val_loop is None:
            return
        prefixes = [metric.prefix for metric in runner.val_loop.evaluator.metrics]
        if self.save_best.partition("/")[0] not in prefixes:
            known = " or ".join(f"{prefix}/..." for prefix in prefixes)
            raise UserError(f"default_hooks.checkpoint.save_best: {self.save_best!r} should be {known}")

    def _due(self, runner: Runner, iteration: int) -> bool:
        if self.interval is not None and iteration % self.interval == 0:
            return True
        return iteration == runner.max_iters or runner.train_loop.validates_at(iteration)

    def _improves(self, runner: Runner, metrics: dict) -> bool:
        if self.save_best not in metrics:
            raise UserError(
                f"default_hooks.checkpoint.save_best: no metric {self.save_best!r}; "
                f"known are {', '.join(metrics)}"
            )
        return metrics[self.save_best] > runner.message_hub.runtime_info.get("best_score", -np.inf)

    def _save_latest(self, runner: Runner, iteration: int) -> None:
        name = f"iter_{iteration}.pth"
        self._written = [other for other in self._written if other != name] + [name]
        removed, self._written = self._written[: -self.keep], self._written[-self.keep :]
        runner.message_hub.update_info("checkpoints", self._written)
        self._save(runner, name, iteration, resumable=True)
        if is_main_process():
            folder = Path(runner.work_dir)
            write_atomically(folder / "last_checkpoint", name.encode())
            for other in removed:
                (folder / other).unlink(missing_ok=True)

    def _save(self, runner: Runner, name: str, iteration: int, *, resumable: bool) -> None:
        temporary = f".{name}.tmp"
        runner.save_checkpoint(
            runner.work_dir,
            temporary,
            save_optimizer=resumable,
            save_param_scheduler=resumable,
            meta=dict(epoch=0, iter=iteration),
        )
        if is_main_process():
            _publish(Path(runner.work_dir, temporary), name)


def find_last_checkpoint(work_dir: Path) -> Path | None:
    """Return the checkpoint to resume from, also after the folder was moved; None without any."""
    pointer = work_dir / "last_checkpoint"
    if pointer.is_file():
        named = work_dir / Path(pointer.read_text().strip()).name
        if named.is_file():
            return named
    numbered = {
        int(match[1]): path for path in work_dir.glob("iter_*.pth") if (match := _NAME.fullmatch(path.name))
    }
    return numbered[max(numbered)] if numbered else None


def set_aside(work_dir: Path, timestamp: str) -> Path | None:
    """Move the files of an earlier training into a folder of their own; None without any."""
    names = ("iter_*.pth", "best.pth", "last_checkpoint", "curves.*")
    files = [path for name in names for path in work_dir.glob(name)]
    if not files:
        return None
    target = work_dir / f"before_{timestamp}"
    target.mkdir()
    for path in files:
        path.rename(target / path.name)
    return target


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that at every moment either the old or the new content is whole on the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    _publish(temporary, path.name)


def plain(value: object) -> object:
    """Rebuild nested containers from dict, list, tuple, numbers and strings; tensors stay themselves."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _publish(temporary: Path, name: str) -> None:
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, temporary.with_name(name))
    folder = os.open(temporary.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
