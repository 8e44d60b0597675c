"""What comes late in a training, done once before it, so that a fault is found at the start."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.runner import Runner
from torch import nn

from densevision.data.sampler import LateKey
from densevision.errors import UserError
from densevision.training.metrics import silent_copy
from densevision.training.time_limit import undone


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


def rehearse_late_step(runner: Runner) -> None:
    """Take a step as it is late in the training, with all losses, and undo it: it may fail, or not fit into memory."""
    loader = runner.train_dataloader
    keys = [LateKey(number % len(loader.dataset), number) for number in range(loader.batch_size)]
    batch = loader.collate_fn([loader.dataset[key] for key in keys])
    with undone(runner):
        runner.model.train()
        set_progress(runner.model, 1.0)
        runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)


def set_progress(model: nn.Module, share: float) -> None:
    """Set ``progress`` of every part of a model that has this attribute.

    Args:
        share: of the iterations that are done, in 0..1; a function of the iteration alone, also after a resume.
    """
    for module in model.modules():
        if hasattr(module, "progress"):
            module.progress = share  # type: ignore[assignment]  # a module's attributes are tensors to mypy
