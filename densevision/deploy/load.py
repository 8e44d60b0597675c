"""Load what training wrote, ready to predict."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config

from densevision.deploy.backends import TorchBackend
from densevision.deploy.predictor import DetectionPredictor, SegmentationPredictor, Thresholds
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.segmentation.model import Segmentor
from densevision.training.config import load_config
from densevision.training.runner import check_weights, config_errors, read_checkpoint

Predictor = DetectionPredictor | SegmentationPredictor


def load_predictor(
    config_path: str | Path, checkpoint_path: str | Path, score_threshold: float = 0.3
) -> Predictor:
    """Build the model of a config with the weights of a checkpoint.

    Args:
        score_threshold: lowest score of a detection, in 0..1; segmenters have no use for it.
    Raises:
        UserError: config or checkpoint are missing or damaged, or do not belong together.
    """
    checkpoint = read_checkpoint(checkpoint_path)
    info = checkpoint.get("meta", {}).get("dataset_meta") or {}
    if not info.get("classes"):
        raise UserError(f"{checkpoint_path} names no classes; use a checkpoint that densevision train wrote")
    config = load_config(config_path)
    model = build_model(config, len(info["classes"]))
    check_weights(model, checkpoint, checkpoint_path)
    model.load_state_dict(checkpoint["state_dict"])
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    if isinstance(model, SSDLite):
        backend = TorchBackend(model.dense, model.data_preprocessor, model.input_size)
        rules = model.rules
        thresholds = Thresholds(score_threshold, rules.iou_threshold, rules.max_detections, rules.candidates)
        float_resize = config.get("test_dataloader", {}).get("dataset", {}).get("float_resize", False)
        return DetectionPredictor(backend, info["classes"], thresholds, float_resize=float_resize)
    backend = TorchBackend(lambda images: (model(images).permute(0, 2, 3, 1),), model.data_preprocessor, None)
    return SegmentationPredictor(backend, info["classes"], info["palette"])


def build_model(config: Config, num_classes: int) -> SSDLite | Segmentor:
    """Build a config's model, with ``num_classes`` classes where the config leaves it open.

    Raises:
        UserError: the config has no model, or one that can't be built.
    """
    if "model" not in config:
        raise UserError(f"{config.filename} has no model")
    settings = config.model.to_dict()
    if settings.get("num_classes") is None:
        settings["num_classes"] = num_classes
    with config_errors():
        return MODELS.build(settings)
