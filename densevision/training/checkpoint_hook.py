"""Checkpoints that survive a crash at any moment and load as plain data.

A file contains tensors, numbers, strings, lists and dicts only, so ``torch.load(weights_only=True)`` reads it
without an allow-list, and nothing in it is ever executed.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from densevision.atomic import partial_path, publish, write_durable
from densevision.checkpoints.reading import THRESHOLD, first_not_finite
from densevision.errors import UserError
from densevision.registry import HOOKS
from densevision.training.changes import made_from
from densevision.training.deferred import HISTORY, DeferredBuffer, share_histories
from densevision.training.metrics import Evaluated, about_classes, details_of, score_of, threshold_of, warn_if_worthless
from densevision.training.prepare import whole_number
from densevision.training.ranking import ranking_sign
from densevision.training.stop import TrainingStopped
from densevision.training.workdir import EXAMPLES, REPORTS, disk_fault, read_name, set_aside

_PLAIN = (torch.Tensor, bool, int, float, complex, str, bytes, type(None))
_START_AGAIN = "start again: there is no checkpoint to resume from"
_NAME = re.compile(r"iter_(\d+)\.pth")
_HALF_WRITTEN = re.compile(
    r"\.((iter_\d+|best)\.part\.pth|last_checkpoint\.part|curves\.part\.(csv|png)|report\.part\.(html|json)"
    r"|(train_batch|val_predictions)\.part\.png|probe_\d+\.part)"
)


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Save ``iter_<n>.pth`` before and after every evaluation, and ``best.pth`` after an improvement.

    A file is written next to its final name and then renamed; older ones are removed only after that. Weights that
    are not finite are never written.

    Among equal scores the earliest is the best; among scores of 0 or less, where nothing was learned yet, the latest.
    An evaluation without a score (the metric is missing, not finite, or -1, COCO's "undefined") replaces a
    ``best.pth`` only if that has no score either.

    Args:
        save_best: metric that ranks models, greater is better unless the metric states ``lower_is_better``; None
            saves no ``best.pth``. A config that does not state it takes the ``best_key`` of its val metric.
        interval: iterations between additional checkpoints; None saves at evaluations only.
        keep: how many ``iter_<n>.pth`` to keep, 1 or more.
    Raises:
        TrainingStopped: a stop was requested during an iteration; its checkpoint has been written.
        UserError: weights are not finite, or the disk is full.
    Attributes:
        best_evaluation: the one that chose ``best.pth``; None if that was before a resume.
        last_evaluation: the latest one of this process.
    """

    priority = "VERY_LOW"  # after the moving average, the schedules and the curves of the same iteration

    def __init__(self, save_best: str | None = None, interval: int | None = None, keep: int = 2):
        self.save_best = save_best
        self.interval = None if interval is None else whole_number("default_hooks.checkpoint.interval", interval)
        self.keep = whole_number("default_hooks.checkpoint.keep", keep)
        self.best_evaluation: Evaluated | None = None
        self.last_evaluation: Evaluated | None = None
        self._written: list[str] = []
        self._threshold: float | None = None  # of the evaluation whose checkpoints are being written

    def before_train(self, runner: Runner) -> None:
        """Check the name of the metric.

        Raises:
            UserError: no metric has the prefix of ``save_best``.
        """
        if runner.val_loop is not None:
            self._check_save_best([metric.prefix for metric in runner.val_loop.evaluator.metrics])
        self._written = list(runner.message_hub.runtime_info.get("checkpoints", []))

    def before_train_epoch(self, runner: Runner) -> None:
        """Delete partial files of a killed process, and set the files of an earlier training aside."""
        if is_main_process():
            folder = Path(runner.work_dir)
            for leftover in folder.glob(".*.part*"):
                if _HALF_WRITTEN.fullmatch(leftover.name):
                    leftover.unlink()
            dump = Path(runner.cfg.filename or "config.py")
            if runner.iter == 0 and (moved := set_aside_training(folder, runner.timestamp, dump)):
                runner.logger.warning(f"{folder} had an earlier training; its files are now in {moved}")

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Save if a checkpoint is due, and stop if it was requested."""
        iteration = runner.iter + 1
        stop = runner.stop_request.agreed(iteration)
        if stop or self._due(runner, iteration):
            runner.train_loop.read_skips()
            self._save_latest(runner, iteration, requested=bool(stop))
        if stop:
            raise TrainingStopped(stop, iteration)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None) -> None:
        """Stop in the middle of an evaluation; its iteration was saved before it."""
        stop = runner.stop_request.agreed()
        if stop:
            raise TrainingStopped(stop, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, object] | None = None) -> None:
        """Save the best model so far, and the latest one together with its score."""
        if not runner.training:
            return
        runner.message_hub.update_info("evaluated_at", runner.iter)
        built = runner.val_loop.evaluator.metrics
        self.last_evaluation = Evaluated(runner.iter, dict(metrics or {}), details_of(built), threshold_of(built))
        self._threshold = None if warn_if_worthless(metrics or {}, self.save_best) else threshold_of(built)
        if self.save_best is not None:
            score = score_of(metrics or {}, self.save_best)
            if self._improves(runner, score):
                runner.message_hub.update_info("best_score", score)
                runner.message_hub.update_info("best_iteration", runner.iter)
                self.best_evaluation = self.last_evaluation
                self._save(runner, "best.pth", runner.iter, resumable=False)
        self._save_latest(runner, runner.iter)
        self._threshold = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Convert everything but the tensors to plain Python."""
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
                f"iteration {iteration}: {wrong} is not finite, so no checkpoint was written; "
                f"{advice_on_nan(earlier[-1] if earlier else None)}"
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Undo ``before_save_checkpoint``, and drop the config, which mmengine would execute."""
        checkpoint.get("meta", {}).pop("config", None)
        hub = checkpoint.get("message_hub", {"log_scalars": {}})
        hub["log_scalars"] = OrderedDict(
            (name, DeferredBuffer(*history)) for name, history in hub["log_scalars"].items()
        )

    def check_figures(self, figures: Mapping[str, object], classes: Sequence[str]) -> None:
        """Check that an evaluation has ``save_best``; the figure of a class without objects may be missing.

        Raises:
            UserError: it is missing.
        """
        if self.save_best is None or not figures or self.save_best in figures:
            return
        if not about_classes([self.save_best], classes):
            raise UserError(
                f"default_hooks.checkpoint.save_best: no metric {self.save_best!r}; there are {', '.join(figures)}"
            )

    def _check_save_best(self, prefixes: Sequence[str | None]) -> None:
        if self.save_best and all(prefix and not self.save_best.startswith(f"{prefix}/") for prefix in prefixes):
            known = " or ".join(f"{prefix}/..." for prefix in prefixes)
            raise UserError(f"default_hooks.checkpoint.save_best: {self.save_best!r} should be {known}")

    def _due(self, runner: Runner, iteration: int) -> bool:
        if self.interval is not None and iteration % self.interval == 0:
            return True
        return iteration == runner.max_iters or runner.train_loop.validates_at(iteration)

    def _improves(self, runner: Runner, score: float | None) -> bool:
        info = runner.message_hub.runtime_info
        best = score_of(info, "best_score")
        if score is None:
            kept = "the latest checkpoint" if best is None else f"that of iteration {info.get('best_iteration')}"
            runner.logger.warning(f"iteration {runner.iter}: {self.save_best} is undefined; best.pth is {kept}")
            return best is None
        sign = ranking_sign(self.save_best, runner.val_loop.evaluator.metrics)
        return best is None or sign * score > sign * best or score == best <= 0 < sign

    def resume_before(self, runner: Runner, first_bad: int) -> str | None:
        """Select the checkpoint that ``--resume`` takes after non-finite batches.

        Args:
            first_bad: iteration of the first of these batches, with the weights of the iteration before.
        Returns:
            The latest checkpoint whose weights gave a finite batch, else the latest of all; None if there is none.
        """
        good = [name for name in self._written if _iteration(name) < first_bad - 1]
        names = good or self._written
        if not names:
            return None
        if is_main_process():
            write_durable(Path(runner.work_dir, "last_checkpoint"), names[-1].encode())
        return names[-1]

    def _save_latest(self, runner: Runner, iteration: int, *, requested: bool = False) -> None:
        # Weights that give only non-finite batches must not replace weights that give finite ones.
        if getattr(runner.optim_wrapper, "bad_in_a_row", 0) and not requested and iteration < runner.max_iters:
            return
        name = f"iter_{iteration}.pth"
        self._written = [other for other in self._written if other != name] + [name]
        removed, self._written = self._written[: -self.keep], self._written[-self.keep :]
        runner.message_hub.update_info("checkpoints", self._written)
        self._save(runner, name, iteration, resumable=True)
        if is_main_process():
            folder = Path(runner.work_dir)
            try:
                write_durable(folder / "last_checkpoint", name.encode())
            except OSError as error:
                raise UserError(disk_fault(folder / "last_checkpoint", error)) from error
            for other in removed:
                (folder / other).unlink(missing_ok=True)

    def _save(self, runner: Runner, name: str, iteration: int, *, resumable: bool) -> None:
        path = Path(runner.work_dir, name)
        partial = partial_path(path)
        draws = runner.train_loop.draws_at(iteration)
        share_histories(runner.message_hub)
        try:
            runner.save_checkpoint(
                runner.work_dir,
                partial.name,
                save_optimizer=resumable,
                save_param_scheduler=resumable,
                meta=dict(
                    epoch=0,
                    iter=iteration,
                    draws=draws,
                    made_from=made_from(runner),
                    **({} if self._threshold is None else {THRESHOLD: self._threshold}),
                    **runner.stored_config,
                ),
            )
            if is_main_process():
                publish(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(disk_fault(path, error)) from error


def find_last_checkpoint(work_dir: Path) -> Path | None:
    """Return the checkpoint to resume from, also after the folder was moved; None if there is none."""
    name = read_name(work_dir / "last_checkpoint")
    if _NAME.fullmatch(name) and os.path.isfile(work_dir / name):
        return work_dir / name
    numbered = [path for path in work_dir.glob("iter_*.pth") if _NAME.fullmatch(path.name)]
    return max(numbered, key=lambda path: _iteration(path.name), default=None)


def _iteration(name: str) -> int:
    return int(name.removeprefix("iter_").removesuffix(".pth"))


def set_aside_training(work_dir: Path, timestamp: str, config: Path = Path("config.py")) -> Path | None:
    """Move the files of an earlier training to a new folder and return it; None if there are none.

    Args:
        config: the file that is trained; an earlier file of its name is moved too, but not the file itself.
    """
    names = ("iter_*.pth", "best.pth", "last_checkpoint", "curves.*", *REPORTS, *EXAMPLES)
    files = [path for name in names for path in work_dir.glob(name)]
    dump = work_dir / config.name
    if dump.is_file() and not (config.exists() and dump.samefile(config)):
        files.append(dump)
    return set_aside(files, work_dir, timestamp) if files else None


def advice_on_nan(checkpoint: str | None) -> str:
    """Return the remedy for weights, losses or gradients that are not finite.

    Args:
        checkpoint: name of the file that ``--resume`` will take, None if there is none.
    """
    continuation = f"--resume, which continues from {checkpoint}" if checkpoint else _START_AGAIN
    return f"lower optim_wrapper.optimizer.lr or set optim_wrapper.clip_grad=dict(max_norm=1.0), then {continuation}"


def plain(value: object) -> object:
    """Convert nested data to dicts, lists, tuples, numbers and text; tensors stay, other objects become text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if isinstance(value, _PLAIN) else str(value)
