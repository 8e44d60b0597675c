"""Evaluate one batch before the training, so that a fault in the evaluation is found at the start."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.runner import Runner

from densevision.errors import UserError
from densevision.training.metrics import silent_copy


def rehearse(runner: Runner) -> Mapping[str, object]:
    """Run one val batch through the model and the metrics; every process must call this.

    Nothing is written and no state remains: the metrics are copies without a folder.

    Returns:
        The batch's figures; later evaluations have these names, and perhaps more of single classes.
    Raises:
        UserError: there is no val image, or the model, the data or a metric is wrong.
    """
    loop = runner.val_loop
    evaluator = silent_copy(loop.evaluator)
    batch = next(iter(loop.dataloader), None)
    if batch is None:
        raise UserError("val_dataloader gives no batch: the val data have no images")
    runner.model.eval()
    with torch.no_grad():
        evaluator.process(data_samples=runner.model.val_step(batch), data_batch=batch)
    try:
        return evaluator.evaluate(len(loop.dataloader.dataset))
    except ValueError as error:
        if "same metric name" not in str(error):  # mmengine's, for two metrics with one prefix
            raise
        raise UserError(f"val_evaluator: {error}") from error
