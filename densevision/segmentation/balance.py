"""Class weights measured on the training labels."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from densevision.data.sizes import even_sample
from densevision.errors import UserError
from densevision.registry import HOOKS
from densevision.segmentation.dataset import LabelMapDataset

_FILES = 500  # maximum number of label files that are read, evenly over the data set


def pixel_frequency(dataset: LabelMapDataset) -> np.ndarray:
    """Return the share of the labeled pixels of every class, [K] float64 with the sum 1."""
    by_id = dataset.id_counts.read(even_sample(len(dataset), _FILES)).sum(0)
    counts = np.bincount(dataset.lookup, weights=by_id, minlength=256)[: len(dataset.metainfo["classes"])]
    return counts / max(counts.sum(), 1)


def class_weights(frequency: np.ndarray) -> np.ndarray:
    """Convert frequencies [K] to loss weights [K]: 1 / ln(1.1 + frequency), 1.3 to 10.5.

    Source: Paszke et al. 2016 (ENet), section 5.2.
    Departs: 1.1 instead of 1.02, which gives rare classes so much weight that they spread over others.
    """
    return 1 / np.log(1.1 + frequency)


@HOOKS.register_module()
class BalanceClasses(Hook):
    """Weight the classes in the losses of a ``Segmentor`` by their frequency in the training set.

    These are all losses of the model with an attribute ``class_weights``, also those inside a ``SumLoss``.
    """

    def before_train(self, runner: Runner) -> None:
        """Measure the frequencies, and set ``class_weights``.

        Raises:
            UserError: no loss of the model takes class weights.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        set_class_weights(model, runner.train_dataloader.dataset)


def set_class_weights(model: Any, dataset: LabelMapDataset) -> None:
    """Set ``class_weights`` of a model's losses by the frequencies in a data set.

    Raises:
        UserError: no loss of the model takes class weights, or one has some already.
    """
    if not isinstance(dataset, LabelMapDataset):
        raise UserError(f"BalanceClasses counts pixels of masks; {type(dataset).__name__} has none, leave it out")
    weights = class_weights(pixel_frequency(dataset))
    device = next(model.parameters()).device
    losses = [part for part in (model.loss_function, *model.modules()) if hasattr(part, "class_weights")]
    if not losses:
        kind = type(model.loss_function).__name__
        raise UserError(f"config, custom_hooks: BalanceClasses has no effect on {kind}; remove it from the list")
    if any(loss.class_weights is not None for loss in losses):
        raise UserError("config, custom_hooks: BalanceClasses would replace class_weights in model; remove one of them")
    for loss in losses:
        loss.class_weights = torch.tensor(weights, dtype=torch.float32, device=device)
    listed = ", ".join(f"{name} {w:.3g}" for name, w in zip(dataset.metainfo["classes"], weights, strict=True))
    print_log(f"class weights: {listed}", "current", logging.INFO)
