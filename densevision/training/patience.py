"""Stop a training that no longer improves."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.runner import Runner

from densevision.errors import UserError
from densevision.training.metrics import score_of
from densevision.training.prepare import whole_number
from densevision.training.progress import ranking_metric
from densevision.training.ranking import ranking_sign

KEY = "patience"  # in the message hub, and so in checkpoints: the best score, and the evaluations since


class PatienceHook(Hook):
    """Stop after ``patience`` evaluations in a row without a new best score; best.pth stays.

    The count is in the checkpoints, so that a resumed training continues it. An undefined score is no improvement.

    Args:
        patience: evaluations, 1 or more.
    """

    priority = "LOW"  # before the checkpoint

    def __init__(self, patience: int):
        self.patience = whole_number("train_cfg.patience", patience)
        self._since = 0

    def before_train(self, runner: Runner) -> None:
        """Check that there is a score; a resumed training may have stopped already.

        Raises:
            UserError: nothing ranks the models.
        """
        if runner.val_loop is None or ranking_metric(runner.cfg) is None:
            raise UserError(
                "train_cfg.patience (--patience) needs val data and a metric that ranks models "
                "(default_hooks.checkpoint.save_best)"
            )
        self._since = runner.message_hub.runtime_info.get(KEY, [None, 0])[1]
        runner.train_loop.stop_training = self._since >= self.patience

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, object] | None = None) -> None:
        """Count the evaluation, and stop if it was one too many."""
        score = score_of(metrics or {}, ranking_metric(runner.cfg) or "")
        best, since = runner.message_hub.runtime_info.get(KEY, [None, 0])
        sign = ranking_sign(ranking_metric(runner.cfg), runner.val_loop.evaluator.metrics)
        improved = score is not None and (best is None or sign * score > sign * best)
        best, self._since = (score, 0) if improved else (best, since + 1)
        runner.message_hub.update_info(KEY, [best, self._since])
        runner.train_loop.stop_training = self._since >= self.patience

    def after_train(self, runner: Runner) -> None:
        """Report that the training was stopped."""
        if self._since < self.patience or runner.iter >= runner.max_iters:
            return
        hub = runner.message_hub.runtime_info
        best = f"; best.pth is of iteration {hub['best_iteration']:,}" if "best_iteration" in hub else ""
        runner._report(
            [
                f"stopped at iteration {runner.iter:,} of {runner.max_iters:,}: {ranking_metric(runner.cfg)} has not "
                f"improved in {self._since} evaluations (--patience {self.patience}){best}"
            ]
        )
