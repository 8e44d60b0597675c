"""Checkpoints that survive a crash at any moment and load as plain data.

A file holds tensors, numbers, strings, lists and dicts only, so ``torch.load(weights_only=True)`` reads it
without an allow-list, and nothing in it is ever executed.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from densevision.atomic import partial_path, publish, write_durable
from densevision.checkpoints.reading import first_not_finite
from densevision.errors import UserError
from densevision.registry import HOOKS
from densevision.training.changes import made_from
from densevision.training.metrics import about_classes, score_of
from densevision.training.prepare import whole_number
from densevision.training.stop import TrainingStopped
from densevision.training.workdir import set_aside

_PLAIN = (torch.Tensor, bool, int, float, complex, str, bytes, type(None))
HISTORY = 1000  # values of every logged scalar that are kept
_START_AGAIN = "start again: there is no checkpoint to resume from"
_NAME = re.compile(r"iter_(\d+)\.pth")
_HALF_WRITTEN = re.compile(r"\.((iter_\d+|best)\.part\.pth|last_checkpoint\.part|curves\.part\.csv)")


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Save ``iter_<n>.pth`` before and after every evaluation, ``best.pth`` after a better one.

    A file is written next to its final name and then renamed; older ones are removed only after that. Weights that
    are not finite are never written.

    Of equal scores the earlier one stays best, but of scores of 0 or less, where nothing was learned yet, the latest.
    An evaluation without a score (the metric is missing, not finite, or -1, as COCO's where there is nothing to find)
    replaces a ``best.pth`` only if that has no score either.

    Args:
        save_best: metric that decides what is best, greater is better; None saves no ``best.pth``.
        interval: iterations between further checkpoints; None saves at evaluations only.
        keep: how many ``iter_<n>.pth`` to keep, 1 or more.
    Raises:
        TrainingStopped: after an iteration during which a stop was asked for, with its checkpoint written.
        UserError: weights are not finite, or the disk is full.
    """

    priority = "VERY_LOW"  # after the moving average, the schedules and the curves of the same iteration

    def __init__(self, save_best: str | None = None, interval: int | None = None, keep: int = 2):
        self.save_best = save_best
        self.interval = None if interval is None else whole_number("default_hooks.checkpoint.interval", interval)
        self.keep = whole_number("default_hooks.checkpoint.keep", keep)
        self._written: list[str] = []

    def before_train(self, runner: Runner) -> None:
        """Check the name of the metric.

        Raises:
            UserError: no metric has the prefix of ``save_best``.
        """
        self._check_save_best(runner)
        self._written = list(runner.message_hub.runtime_info.get("checkpoints", []))

    def before_train_epoch(self, runner: Runner) -> None:
        """Sweep what a killed process left half written, and set an earlier training's files aside."""
        if is_main_process():
            folder = Path(runner.work_dir)
            for leftover in folder.glob(".*.part*"):
                if _HALF_WRITTEN.fullmatch(leftover.name):
                    leftover.unlink()
            dump = Path(runner.cfg.filename or "config.py")
            if runner.iter == 0 and (moved := set_aside_training(folder, runner.timestamp, dump)):
                runner.logger.warning(f"{folder} held an earlier training; its files are now in {moved}")

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Save where it is due, and stop where it was asked for."""
        iteration = runner.iter + 1
        stop = runner.stop_request.agreed()
        if stop or self._due(runner, iteration):
            self._save_latest(runner, iteration, asked_for=bool(stop))
        if stop:
            raise TrainingStopped(stop, iteration)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Stop in the middle of an evaluation; its iteration was saved before it."""
        stop = runner.stop_request.agreed()
        if stop:
            raise TrainingStopped(stop, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Save the best model so far, and the latest one together with its score."""
        if not runner.training:
            return
        runner.message_hub.update_info("evaluated_at", runner.iter)
        if self.save_best is not None and self._improves(runner, metrics):
            runner.message_hub.update_info("best_score", score_of(metrics, self.save_best))
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
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if wrong := first_not_finite(model, checkpoint):
            iteration = checkpoint["meta"]["iter"]
            earlier = [name for name in self._written if name != f"iter_{iteration}.pth"]
            raise UserError(
                f"iteration {iteration}: {wrong} is not finite, so no checkpoint is written; "
                f"{advice_on_nan(earlier[-1] if earlier else None)}"
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Undo ``before_save_checkpoint`` and drop what mmengine would execute."""
        checkpoint.get("meta", {}).pop("config", None)
        hub = checkpoint.get("message_hub", {"log_scalars": {}})
        hub["log_scalars"] = OrderedDict(
            (name, HistoryBuffer(*history, max_length=HISTORY)) for name, history in hub["log_scalars"].items()
        )

    def check_figures(self, figures: Mapping[str, object], classes: Sequence[str]) -> None:
        """Check that an evaluation's figures hold ``save_best``; one of a class that a batch lacks may be missing.

        Raises:
            UserError: they don't.
        """
        if self.save_best is None or not figures or self.save_best in figures:
            return
        if not about_classes([self.save_best], classes):
            raise UserError(
                f"default_hooks.checkpoint.save_best: no metric {self.save_best!r}; known are {', '.join(figures)}"
            )

    def _check_save_best(self, runner: Runner) -> None:
        if self.save_best is None or runner.val_loop is None:
            return
        prefixes = [metric.prefix for metric in runner.val_loop.evaluator.metrics]
        if all(prefix and not self.save_best.startswith(f"{prefix}/") for prefix in prefixes):
            known = " or ".join(f"{prefix}/..." for prefix in prefixes)
            raise UserError(f"default_hooks.checkpoint.save_best: {self.save_best!r} should be {known}")

    def _due(self, runner: Runner, iteration: int) -> bool:
        if self.interval is not None and iteration % self.interval == 0:
            return True
        return iteration == runner.max_iters or runner.train_loop.validates_at(iteration)

    def _improves(self, runner: Runner, metrics: dict) -> bool:
        info = runner.message_hub.runtime_info
        score, best = score_of(metrics, self.save_best), score_of(info, "best_score")
        if score is None:
            kept = "the latest checkpoint" if best is None else f"that of iteration {info.get('best_iteration')}"
            runner.logger.warning(f"iteration {runner.iter}: {self.save_best} is not defined; best.pth is {kept}")
            return best is None
        return best is None or score > best or score == best <= 0

    def point_to_proven(self, runner: Runner, first_bad: int) -> str | None:
        """Let ``--resume`` take a checkpoint with which a batch was finite; the latest one if there is no such.

        Args:
            first_bad: iteration from which on no batch was finite, with the weights of the iteration before.
        Returns:
            The checkpoint's name, None without any.
        """
        numbers = {name: int(_NAME.fullmatch(name)[1]) for name in self._written}
        proven = [name for name, number in numbers.items() if number < first_bad - 1]
        name = (proven or self._written or [None])[-1]
        if name is not None and is_main_process():
            write_durable(Path(runner.work_dir, "last_checkpoint"), name.encode())
        return name

    def _save_latest(self, runner: Runner, iteration: int, *, asked_for: bool = False) -> None:
        # Weights that give no finite batch must not push out those that do.
        if getattr(runner.optim_wrapper, "bad_in_a_row", 0) and not asked_for and iteration < runner.max_iters:
            return
        name = f"iter_{iteration}.pth"
        self._written = [other for other in self._written if other != name] + [name]
        removed, self._written = self._written[: -self.keep], self._written[-self.keep :]
        runner.message_hub.update_info("checkpoints", self._written)
        self._save(runner, name, iteration, resumable=True)
        if is_main_process():
            folder = Path(runner.work_dir)
            write_durable(folder / "last_checkpoint", name.encode())
            for other in removed:
                (folder / other).unlink(missing_ok=True)

    def _save(self, runner: Runner, name: str, iteration: int, *, resumable: bool) -> None:
        path = Path(runner.work_dir, name)
        partial = partial_path(path)
        draws = runner.train_loop.draws_at(iteration)
        try:
            runner.save_checkpoint(
                runner.work_dir,
                partial.name,
                save_optimizer=resumable,
                save_param_scheduler=resumable,
                meta=dict(epoch=0, iter=iteration, draws=draws, made_from=made_from(runner), **runner.stored_config),
            )
            if is_main_process():
                publish(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(f"{path} can't be written: {error.strerror or error}; make room, then --resume") from error


def find_last_checkpoint(work_dir: Path) -> Path | None:
    """Return the checkpoint to resume from, also after the folder was moved; None without any."""
    pointer = work_dir / "last_checkpoint"
    if pointer.is_file():
        named = work_dir / Path(pointer.read_text().strip()).name
        if named.is_file():
            return named
    numbered = {int(match[1]): path for path in work_dir.glob("iter_*.pth") if (match := _NAME.fullmatch(path.name))}
    return numbered[max(numbered)] if numbered else None


def set_aside_training(work_dir: Path, timestamp: str, config: Path = Path("config.py")) -> Path | None:
    """Move the files of an earlier training into a folder of their own; None without any.

    Args:
        config: the file that is trained; an earlier one of its name is moved too, but not the file itself.
    """
    names = ("iter_*.pth", "best.pth", "last_checkpoint", "curves.*")
    files = [path for name in names for path in work_dir.glob(name)]
    dump = work_dir / config.name
    if dump.is_file() and not (config.exists() and dump.samefile(config)):
        files.append(dump)
    return set_aside(files, work_dir, timestamp) if files else None


def advice_on_nan(checkpoint: str | None) -> str:
    """Say what to do when weights, losses or gradients are not finite: what helps, and how to go on.

    Args:
        checkpoint: name of the one that ``--resume`` will take, None without any.
    """
    go_on = f"--resume, which goes on from {checkpoint}" if checkpoint else _START_AGAIN
    return f"lower optim_wrapper.optimizer.lr or set optim_wrapper.clip_grad=dict(max_norm=1.0), then {go_on}"


def plain(value: object) -> object:
    """Rebuild nested containers from dict, list, tuple, numbers and text; tensors stay, anything else becomes text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, _PLAIN) else str(value)
