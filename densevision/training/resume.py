"""The Runner's checkpoints: which one a training goes on from, and what of it counts."""

from __future__ import annotations

from pathlib import Path

from mmengine.model import is_model_wrapper

from densevision.checkpoints.reading import check_weights, read_checkpoint
from densevision.errors import UserError
from densevision.training.changes import Resumed, choose_checkpoint, hyperparameters, rebuild_schedules
from densevision.training.checkpoint_hook import find_last_checkpoint


class Resuming:
    """The part of ``DenseRunner`` that loads checkpoints and resumes from them."""

    def _find_resumed(self) -> None:
        """Choose the checkpoint to resume from.

        Raises:
            UserError: there is none, or it does not fit.
        """
        if not self._resume or self._has_loaded:
            return
        path = Path(self._load_from) if self._load_from else find_last_checkpoint(Path(self.work_dir))
        if path is None:
            raise UserError(nothing_to_resume(self.work_dir))
        path, lines = choose_checkpoint(self, path)
        self._load_from = str(path)
        self._say(lines)

    def resume(self, filename: str, *args: object, **kwargs: object) -> None:
        """Take a training up as mmengine does, then let the config's changes take effect.

        Raises:
            UserError: a change that can't take effect.
        """
        try:
            super().resume(filename, *args, **kwargs)
        except (ValueError, KeyError, TypeError) as error:
            message = f"{filename} does not fit this config's optimizer and schedules: {error}"
            raise UserError(" ".join(message.split())) from error
        if self._resumed.rebuilds:
            rebuild_schedules(self, self._config_groups)
        self.train_loop.continue_from(self._resumed.meta.get("draws"))
        if self._resumed.other_evaluation:
            for key in ("best_score", "best_iteration"):
                self.message_hub.runtime_info.pop(key, None)
        self._say(self._resumed.lines())

    def load_checkpoint(
        self, filename: str, map_location="cpu", strict: bool = True, revise_keys: object = None
    ) -> dict:
        """Load the weights of a checkpoint of this very model and return its content.

        Raises:
            UserError: no such file, a damaged one, or another model's.
        """
        checkpoint = read_checkpoint(filename, map_location)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        check_weights(model, checkpoint, filename)
        if self._resume:
            self._resumed = Resumed(self, checkpoint, filename)
            self._resumed.refuse()
            self._config_groups = hyperparameters(self)
            self._resumed.adapt(checkpoint)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        self._has_loaded = True
        return checkpoint


def nothing_to_resume(work_dir: str | Path) -> str:
    """Say that a folder holds no checkpoint."""
    return f"--resume: no checkpoint in {work_dir}; leave --resume out to start anew"
