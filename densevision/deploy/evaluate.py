"""Run a config's official metric on any predictor, image by image, as it would run in the field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData, PixelData
from torch.utils.data import Dataset

from densevision.deploy.predictor import DetectionPredictor, SegmentationPredictor
from densevision.errors import UserError
from densevision.images import resize_image
from densevision.registry import DATASETS, METRICS
from densevision.training.progress import quiet
from densevision.training.runner import config_errors


def evaluate_predictor(
    predictor: DetectionPredictor | SegmentationPredictor,
    dataset: Dataset,
    evaluator: ConfigDict,
    folder: Path | None = None,
) -> tuple[dict[str, float], str, dict[str, str]]:
    """Evaluate on a data set.

    Args:
        dataset: from ``build_dataset``.
        evaluator: the config's ``test_evaluator``.
        folder: where result files go; None writes none.
    Returns:
        The metrics by key, the official table to print, and the result files' paths by kind.
    Raises:
        UserError: an image can't be read, or the data's classes are not the predictor's.
    """
    if hasattr(dataset, "align_classes"):
        dataset.align_classes(predictor.classes)
    classes = tuple(dataset.metainfo["classes"])
    if classes != tuple(predictor.classes):
        raise UserError(f"the model knows the classes {', '.join(predictor.classes)}, the config's test data has "
                        f"{', '.join(classes)}; they must be the same in the same order")
    with config_errors():
        metric = METRICS.build(evaluator.to_dict())
    metric.dataset_meta = dataset.metainfo
    metric.out_dir = folder / "predictions" if folder else None
    for index in range(len(dataset)):
        sample = dataset[index]["data_samples"]
        sample.pred = _predict(predictor, _read(dataset, index))
        metric.process({}, [sample.to_dict()])
    metrics = metric.evaluate(len(dataset))
    return metrics, metric.table, metric.write_report(folder) if folder else {}


def build_dataset(config: Config, loader: str) -> Dataset:
    """Build the data set of a loader: "train_dataloader" or "test_dataloader".

    Raises:
        UserError: the config has none, or its files are not there.
    """
    if loader not in config:
        raise UserError(f"{config.filename} has no {loader}")
    quiet(MMLogger.get_current_instance().handlers)
    with config_errors():
        return DATASETS.build(config[loader].dataset.to_dict())


def read_images(dataset: Dataset, count: int, size: tuple[int, int] | None = None) -> list[np.ndarray]:
    """Read images of a data set, evenly spread over it, without augmentation.

    Args:
        count: at most the data set's length.
        size: (height, width) that they are resized to; None leaves them as they are.
    Returns:
        [H, W, 3] uint8 RGB.
    Raises:
        UserError: one can't be read, or they differ in size and ``size`` is None.
    """
    indices = [index * len(dataset) // count for index in range(count)]
    images = [_read(dataset, index) for index in indices]
    sizes = {image.shape[:2] for image in images}
    if size is None and len(sizes) > 1:
        listed = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)[:3])
        raise UserError(f"the test images differ in size ({listed}); give --size HEIGHT WIDTH")
    return images if size is None else [resize_image(image, size) for image in images]


def _read(dataset: Dataset, index: int) -> np.ndarray:
    try:
        return dataset.read(index)
    except OSError as error:
        raise UserError(f"{error}; fix or delete the image and its annotation") from error


def _predict(predictor, image: np.ndarray) -> InstanceData | PixelData:
    found = predictor(image)
    if isinstance(predictor, DetectionPredictor):
        boxes, scores, labels = map(torch.from_numpy, (found.boxes, found.scores, found.labels))
        return InstanceData(boxes=boxes, scores=scores, labels=labels)
    return PixelData(labels=torch.from_numpy(found)[None])


def headline(metrics: dict[str, float]) -> tuple[str, float]:
    """Return name and value of the one figure that counts: ``coco/AP`` or ``seg/mIoU``."""
    name = "coco/AP" if "coco/AP" in metrics else "seg/mIoU"
    return name, metrics[name]
