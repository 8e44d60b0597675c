"""The runner's checkpoints: which one a training resumes from, and which changes of the config it accepts."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from densevision.checkpoints.reading import check_finite, check_weights, read_checkpoint
from densevision.errors import UserError
from densevision.training.changes import Resumed, hyperparameters, rebuild_schedules
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.choice import choose_checkpoint

_MOMENTS = {"momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "grad_avg"}


class ResumingRunner(Runner):
    """The part of ``DenseRunner`` that loads checkpoints and resumes from them."""

    _load_from: str | None  # mmengine's
    _resumed: Resumed  # set when a checkpoint is loaded to resume from it
    _config_groups: list[dict[str, object]]  # the optimizer's hyperparameters by the config

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
        self._report(lines)

    def resume(self, filename: str, *args: object, **kwargs: object) -> None:
        """Resume as mmengine does, then apply the config's changes.

        Raises:
            UserError: a change can't be applied to a resumed training.
        """
        try:
            super().resume(filename, *args, **kwargs)
            self._check_moments()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{filename} does not fit this config's optimizer and schedules: {error}"
            raise UserError(" ".join(message.split())) from error
        if self._resumed.rebuilds:
            rebuild_schedules(self, self._config_groups)
        self.train_loop.continue_from(self._resumed.meta.get("draws"), self._resumed.late_from)
        if self._resumed.other_evaluation:
            for key in ("best_score", "best_iteration", "patience", "worthless"):
                self.message_hub.runtime_info.pop(key, None)
        self._report(self._resumed.summary())

    def _check_schedules(self, kept: object, filename: str) -> None:
        own = self.param_schedulers
        if self._resumed.rebuilds or not isinstance(kept, list) or not isinstance(own, list) or len(kept) == len(own):
            return
        raise UserError(f"{filename} has {len(kept)} param_schedulers, and the config {len(own)}; correct the config")

    def _check_moments(self) -> None:
        """Raise ValueError if what the optimizer keeps of a weight has another shape; torch does not check it."""
        for weight, state in getattr(self.optim_wrapper.optimizer, "state", {}).items():
            for name in _MOMENTS & state.keys():
                if isinstance(state[name], torch.Tensor) and state[name].shape != weight.shape:
                    raise ValueError(f"{name} of a weight of shape {tuple(weight.shape)} is {tuple(state[name].shape)}")

    def load_checkpoint(
        self, filename: str, map_location: str | torch.device = "cpu", strict: bool = True, revise_keys: object = None
    ) -> dict:
        """Load the weights of a checkpoint and return its content.

        Raises:
            UserError: the file is missing, damaged or of a different model.
        """
        checkpoint = read_checkpoint(filename, map_location)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        check_weights(model, checkpoint, filename, resuming=self._resume)
        check_finite(model, checkpoint, filename)
        if self._resume:
            self._resumed = Resumed(self, checkpoint, filename)
            self._resumed.check()
            self._config_groups = hyperparameters(self)
            self._resumed.adapt(checkpoint)
            self._check_schedules(checkpoint.get("param_schedulers"), filename)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        self._has_loaded = True
        return checkpoint


def nothing_to_resume(work_dir: str | Path) -> str:
    """Return the message for a folder without a checkpoint."""
    return f"--resume: no checkpoint in {work_dir}; omit --resume to start from scratch"
