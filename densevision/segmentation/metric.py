"""Intersection over union: pure functions, and the mmengine metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from densevision.registry import METRICS
from densevision.segmentation.details import Extremes, PixelDetails, ScoredImage, image_score
from densevision.segmentation.results import absent_note, iou_table, write_label_ids, write_report


def confusion_matrix(pred: Tensor, target: Tensor, num_classes: int, ignore_label: int = 255) -> Tensor:
    """Count the pixels of every pair of target class and predicted class.

    Args:
        pred: class indices 0..K-1, any integer type and shape.
        target: class indices of the same shape; ``ignore_label`` is not counted.
        num_classes: K.
        ignore_label: target value of pixels without a class.
    Returns:
        [K, K] int64, rows are target classes, columns predicted ones.
    Raises:
        ValueError: the shapes differ, or a counted value is not in 0..K-1.
    """
    if pred.shape != target.shape:
        raise ValueError(f"prediction {tuple(pred.shape)} and target {tuple(target.shape)} differ in shape")
    if target.dtype == pred.dtype == torch.uint8 and target.device.type == "cpu" and num_classes <= ignore_label < 256:
        return _count_bytes(pred.numpy(), target.numpy(), num_classes, ignore_label)
    counted = target != ignore_label
    target, pred = target[counted].long(), pred[counted].long()
    for name, values in (("target", target), ("prediction", pred)):
        if values.numel() and not 0 <= values.min() <= values.max() < num_classes:
            raise ValueError(f"{name} contains a label outside 0..{num_classes - 1}")
    pairs = torch.bincount(target * num_classes + pred, minlength=num_classes**2)
    return pairs.view(num_classes, num_classes)


def _count_bytes(pred: np.ndarray, target: np.ndarray, num_classes: int, ignore_label: int) -> Tensor:
    """Count the pairs of label maps without a mask, in a seventh of the time."""
    pairs = target.ravel().astype(np.uint16) << 8
    pairs |= pred.ravel()
    counts = np.bincount(pairs, minlength=2**16).reshape(256, 256)
    counts[ignore_label] = 0
    for name, unknown in (("target", counts[num_classes:]), ("prediction", counts[:, num_classes:])):
        if unknown.any():
            raise ValueError(f"{name} contains a label outside 0..{num_classes - 1}")
    return torch.from_numpy(counts[:num_classes, :num_classes].copy())


def iou(confusion: Tensor) -> Tensor:
    """Divide intersection by union for every class.

    Args:
        confusion: [K, K] counts, rows are target classes.
    Returns:
        [K] float64 in 0..1, NaN where a class is neither in the target nor predicted.
    """
    confusion = confusion.double()
    intersection = confusion.diagonal()
    return intersection / (confusion.sum(0) + confusion.sum(1) - intersection)


@METRICS.register_module()
class IoUMetric(BaseMetric):
    """Report ``seg/mIoU``, ``seg/IoU_<class>`` and ``seg/aAcc`` in 0..1, from the confusion of all images.

    ``mIoU`` is the mean over the classes that occur or are predicted, ``aAcc`` the share of pixels with the correct
    class. Images without labels (a test split) do not count; without any label nothing is reported.

    Args:
        out_dir: also write each prediction to ``<out_dir>/<city>/<image name>.png``, or to the path of its image in
            the folder of images, as label ids of the data set; a zip of the folder can be sent to the Cityscapes
            test server.
    Attributes:
        confusion: [K, K] int64, summed over all images, after an evaluation, in the main process.
        details: that, with the worst and best of the images that the main process evaluated; None before.
    """

    default_prefix = "seg"
    best_key = "seg/mIoU"  # chooses best.pth where a config has no save_best

    def __init__(self, out_dir: str | Path | None = None) -> None:
        super().__init__(collect_device="gpu")  # gathers by all_gather_object, also with gloo; "cpu" leaves a folder
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.confusion = torch.zeros(0, 0, dtype=torch.int64)
        self.details: PixelDetails | None = None
        self._extremes = Extremes()

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Append the confusion of each image, and write its prediction if there is an ``out_dir``."""
        num_classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            pred = sample["pred"]["labels"].cpu()
            counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)
            if "gt" in sample:
                counts = confusion_matrix(pred, sample["gt"]["labels"].cpu(), num_classes)
                self._keep(sample, counts.numpy())
            pairs = np.flatnonzero(counts.numpy())
            self.results.append((pairs, counts.numpy().ravel()[pairs]))
            if self.out_dir is not None:
                label_ids = self.dataset_meta["label_ids"]
                name = sample.get("result_name", sample["img_path"])
                write_label_ids(pred[0].numpy(), name, label_ids, self.out_dir)

    def _keep(self, sample: dict, counts: np.ndarray) -> None:
        score = image_score(counts)
        if score is not None and self._extremes.takes(score):
            pred, gt = (sample[name]["labels"][0].cpu().numpy().astype(np.uint8) for name in ("pred", "gt"))
            self._extremes.add(ScoredImage(sample.get("img_path", ""), score, pred, gt))

    def compute_metrics(self, results: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Sum the confusions of all images, given as the pairs that occur and their counts, and compute the metrics."""
        num_classes = len(self.dataset_meta["classes"])
        total = np.zeros(num_classes**2, np.int64)
        for pairs, counts in results:
            total[pairs] += counts
        self.confusion = torch.from_numpy(total.reshape(num_classes, num_classes))
        ends, self._extremes = self._extremes.separate(), Extremes()
        meta = self.dataset_meta
        self.details = PixelDetails(
            meta["classes"], meta.get("palette") or (), self.confusion.numpy(), tuple(ends.worst), tuple(ends.best)
        )
        if not self.confusion.any():
            return {}
        return compute_scores(self.confusion, self.dataset_meta["classes"])

    @property
    def note(self) -> str:
        """The number of classes without pixels in the last evaluation, printed next to the mIoU."""
        return absent_note(self.confusion.sum(1).numpy()) if self.confusion.any() else ""

    @property
    def table(self) -> str:
        """The scores of each class in the last evaluation, to print."""
        if not self.confusion.any():
            return "no labels, so no metrics: predictions only"
        return iou_table(self.confusion.numpy(), self.dataset_meta["classes"])

    def write_report(self, folder: str | Path) -> dict[str, str]:
        """Write table and confusion matrix of the last evaluation; return the path of every result file."""
        written = {} if self.out_dir is None else {"predictions": str(self.out_dir)}
        if self.confusion.any():
            written |= write_report(self.confusion.numpy(), self.dataset_meta["classes"], folder)
        return written


def compute_scores(confusion: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Compute ``mIoU``, ``aAcc`` and ``IoU_<class>`` of each class that occurs or is predicted."""
    by_class = iou(confusion)
    summary = {"mIoU": by_class.nanmean(), "aAcc": confusion.diagonal().sum().double() / confusion.sum()}
    per_class = {f"IoU_{name}": value for name, value in zip(classes, by_class, strict=True)}
    return {name: float(value) for name, value in (summary | per_class).items() if not value.isnan()}
