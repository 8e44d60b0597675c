"""Load what training wrote, ready to predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.config import Config

from densevision.checkpoints.config import checkpoint_config
from densevision.checkpoints.model import build_model as build_model
from densevision.checkpoints.model import load_model
from densevision.config.types import resolve_type
from densevision.errors import UserError
from densevision.inference.classification import ClassificationPredictor
from densevision.inference.predictor import DetectionPredictor, Predictor, SegmentationPredictor, class_palette
from densevision.inference.torch_backend import TorchBackend
from densevision.registry import MODELS
from densevision.segmentation.multi_scale import mean_scores
from densevision.structures import Nms, Views
from densevision.task import TASKS, Task, resolve

if TYPE_CHECKING:
    from densevision.classification.model import ImageClassifier
    from densevision.detection.model import SSDLite
    from densevision.segmentation.model import Segmentor


def load_predictor(
    config: str | Path | Config | None,
    checkpoint_path: str | Path,
    score_threshold: float | None = None,
    *,
    nms: Nms | None = None,
    device: str | None = None,
) -> Predictor:
    """Build the model of a config with the weights of a checkpoint.

    Args:
        config: None uses the one that the checkpoint carries.
        score_threshold: lowest score of a detection, in 0..1; None uses the config's. Other tasks ignore it.
        nms: how NMS treats overlapping boxes, for drawing, as in an exported file; None uses the config's
            ``postprocess``, for evaluation. Other tasks ignore it.
        device: for example "cuda:1"; None uses a GPU if there is one.
    Raises:
        UserError: config or checkpoint are missing or damaged, or do not belong together.
    """
    config = checkpoint_config(checkpoint_path, config, only_model=True)
    model, info = load_model(config, checkpoint_path)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if str(device) == "meta":
        raise UserError("device 'meta' computes nothing; give 'cpu' or 'cuda'")
    try:
        model.to(device)
    except (RuntimeError, AssertionError, TypeError) as error:  # what torch raises differs by kind of device
        raise UserError(f"device {device!r} can't be used: {str(error).splitlines()[0][:200]}") from error
    build = resolve(model_task(config).predictor)
    return build(model, info, config, score_threshold=score_threshold, nms=nms)


def classification_predictor(
    model: ImageClassifier, info: dict, config: Config, *, score_threshold: float | None = None, nms: Nms | None = None
) -> ClassificationPredictor:
    """Return the predictor of a trained classifier."""
    device = str(next(model.parameters()).device)
    normalize = model.data_preprocessor.normalize
    backend = TorchBackend(lambda images: (model.scores(images),), normalize, model.input_size, device)
    return ClassificationPredictor(backend, info["classes"], center_crop=model.center_crop)


def detection_predictor(
    model: SSDLite, info: dict, config: Config, *, score_threshold: float | None = None, nms: Nms | None = None
) -> DetectionPredictor:
    """Return the predictor of a trained detector; see ``load_predictor``."""
    if nms is not None:
        model.postprocess = replace(model.postprocess, nms=nms, clip_first=False)
    if score_threshold is not None:
        model.postprocess = replace(model.postprocess, score_threshold=score_threshold)
    device = str(model.anchors.device)
    backend = TorchBackend(model.predict_dense, model.data_preprocessor.normalize, model.input_size, device)
    float_resize = config.get("test_dataloader", {}).get("dataset", {}).get("float_resize", False)
    return DetectionPredictor(backend, info["classes"], model.postprocess, float_resize=float_resize)


def segmentation_predictor(
    model: Segmentor, info: dict, config: Config, *, score_threshold: float | None = None, nms: Nms | None = None
) -> SegmentationPredictor:
    """Return the predictor of a trained segmentation model, which takes images of any size."""
    palette = class_palette(info.get("palette") or (), info["classes"], "the checkpoint")
    device = str(next(model.parameters()).device)
    normalize = model.data_preprocessor.normalize
    backend = TorchBackend(lambda images: (model(images).permute(0, 2, 3, 1),), normalize, None, device)
    return SegmentationPredictor(backend, info["classes"], palette)


def multi_scale_predictor(config: Config, checkpoint_path: str | Path, views: Views) -> SegmentationPredictor:
    """Return a predictor that averages the scores of several views of an image, for evaluation only.

    Args:
        config: of a segmentation model.
    Raises:
        UserError: config or checkpoint are at fault, see ``load_model``.
    """
    model, info = load_model(config, checkpoint_path)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    backend = TorchBackend(
        lambda images: (mean_scores(model, images, views).permute(0, 2, 3, 1),),
        model.data_preprocessor.normalize,
        None,
        device,
    )
    return SegmentationPredictor(
        backend, info["classes"], class_palette(info.get("palette") or (), info["classes"], "")
    )


def model_task(config: Config) -> Task:
    """Return the task of a config's model, which its class names.

    Raises:
        UserError: the config has no model, or one without a known task.
    """
    if not config.get("model"):
        raise UserError(f"{config.filename} has no model")
    named = config.model.get("type")
    kind = resolve_type(named, MODELS)
    task = getattr(kind, "task", None)
    if task not in TASKS:
        raise UserError(
            f"{config.filename}: the model {kind.__name__} has no attribute task that is one of {', '.join(TASKS)}"
        )
    return TASKS[task]
