"""Evaluate one batch before the training, so that a fault in the evaluation does not cost the first hours."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.runner import Runner

from densevision.errors import UserError
from densevision.training.metrics import silent_copy


def rehearse(runner: Runner) -> Mapping[str, object]:
    """Let one val batch through the model and the metrics; every process must call this.

    Nothing is written and no state stays behind: the metrics are copies without a folder.

    Returns:
        The batch's figures; their names are those of the evaluations to come, less some of single classes.
    Raises:
        UserError: there is no val image, or model, data or metric are at fault.
    """
    loop = runner.val_loop
    evaluator = silent_copy(loop.evaluator)
    batch = next(iter(loop.dataloader), None)
    if batch is None:
        raise UserError("val_dataloader gives no batch: the val data hold no image")
    runner.model.eval()
    with torch.no_grad():
        evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
    try:
        return evaluator.evaluate(len(loop.dataloader.dataset))
    except ValueError as error:
        if "same metric name" not in str(error):  # mmengine's, for two metrics with one prefix
            raise
        raise UserError(f"val_evaluator: {error}") from error
