"""Build the model of a config, with the weights of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from densevision.checkpoints.reading import check_finite, check_weights, read_checkpoint
from densevision.config.build_errors import config_errors
from densevision.errors import UserError
from densevision.registry import MODELS


def load_model(config: Config, checkpoint_path: str | Path) -> tuple[Any, dict]:
    """Build the model of a config with the weights of a checkpoint, for inference on the CPU.

    It has no ``training_only`` parts.

    Returns:
        The model, and what the checkpoint records of its data: ``classes`` and, for segmentation, ``palette``.
    Raises:
        UserError: model or checkpoint are missing or damaged, or do not belong together.
    """
    checkpoint = read_checkpoint(checkpoint_path)
    info = (checkpoint.get("meta") or {}).get("dataset_meta") or {}
    if not info.get("classes"):
        raise UserError(f"{checkpoint_path} names no classes; use a checkpoint that densevision train wrote")
    model = build_model(config, len(info["classes"]))
    for part in getattr(model, "training_only", ()):
        setattr(model, part, None)
    check_weights(model, checkpoint, checkpoint_path)
    check_finite(model, checkpoint, checkpoint_path)
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval(), info


def build_model(config: Config, num_classes: int) -> Any:
    """Build a config's model, with ``num_classes`` classes where the config leaves it open.

    Raises:
        UserError: the config has no model, or one that can't be built.
    """
    if not config.get("model"):
        raise UserError(f"{config.filename} has no model")
    settings = config.model.to_dict()
    if settings.get("num_classes") is None:
        settings["num_classes"] = num_classes
    with config_errors(), torch.random.fork_rng(devices=[]):  # the initial weights draw from torch's generator
        return MODELS.build(settings)
