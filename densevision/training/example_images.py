"""Images of what a training sees and finds, in its work directory: train_batch.png and val_predictions.png."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from densevision.atomic import write_durable
from densevision.data.samples import ClsSample, DetSample, SegSample
from densevision.images import encode_image, resize_image, shrink_image
from densevision.structures import Detections
from densevision.training.metrics import numbers_of, score_of
from densevision.training.progress import ranking_metric
from densevision.training.workdir import EXAMPLES
from densevision.visualize import (
    draw_boxes,
    draw_classes,
    draw_labels,
    draw_tags,
    draw_truth,
    enlarge_image,
    side_by_side,
)

_BATCH, _VAL = 16, 8  # images, at most
_SIDE = 480  # pixels of an image's longer side, at most
_LEAST_SIDE = 160  # of the shorter side of an image with class names in it
_DRAWN = DetSample | SegSample | ClsSample
_SCORE = 0.3  # of a detection that is drawn, where the metric has no better one
_LOWEST = 0.1  # a model that has learned nothing has its best score threshold at 0
_LEAST = 3  # detections of an image that are drawn with any score


class ExampleImagesHook(Hook):
    """Draw the first training batch as the network sees it, and predictions next to the ground truth.

    ``val_predictions.png`` shows images spread over the val data, by the weights of best.pth. Boxes, label maps and
    class names are drawn; other tasks have no such files. A fault here is logged, and never ends a training.
    """

    priority = "LOWEST"  # after the checkpoint, which decides whether an evaluation is the best

    def __init__(self) -> None:
        self._found: list[tuple[np.ndarray, Any]] = []  # image at the size of its drawing, sample

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Mapping[str, Any] | None = None) -> None:
        """Draw the first batch of a new training."""
        if batch_idx == 0 and data_batch is not None:
            self._safely(runner, self._draw_batch, runner, data_batch)

    def before_val_epoch(self, runner: Runner) -> None:
        """Forget the images of the evaluation before."""
        self._found = []

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Mapping[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Keep those of the chosen images that are in the batch."""
        if runner.training and data_batch is not None:
            self._safely(runner, self._keep, runner, batch_idx, data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, object] | None = None) -> None:
        """Draw the images if this evaluation is the best so far."""
        best = ranking_metric(runner.cfg)
        is_best = best is None or runner.message_hub.runtime_info.get("best_iteration") == runner.iter
        if runner.training and self._found and is_best:
            score = score_of(numbers_of(metrics or {}), best) if best else None
            figure = "" if score is None else f", {best} {score:.3f}"
            self._safely(runner, self._draw_val, runner, f"iteration {runner.iter:,}{figure}")

    def _safely(self, runner: Runner, draw: Callable[..., None], *arguments: Any) -> None:
        if not is_main_process():
            return
        try:
            draw(*arguments)
        except Exception as error:  # it is only an illustration
            runner.logger.info(f"no example images: {type(error).__name__}: {error}")

    def _draw_batch(self, runner: Runner, batch: Mapping[str, Any]) -> None:
        meta = runner.train_dataloader.dataset.metainfo
        images: list[np.ndarray] = []
        for image, sample in zip(batch["inputs"][:_BATCH], batch["data_samples"], strict=False):
            if isinstance(sample, _DRAWN):
                images.append(_draw(shrink_image(_pixels(image), _SIDE)[0], sample, "gt", meta, legend=not images))
        if images:
            titles = ["first training batch, as the network sees it", "", "", ""]
            _write(Path(runner.work_dir, EXAMPLES[0]), images, titles[: len(images)])

    def _keep(self, runner: Runner, number: int, batch: Mapping[str, Any], outputs: Sequence[Any]) -> None:
        size = runner.val_dataloader.batch_size
        total = len(runner.val_dataloader) * size  # of this process
        chosen = {index * total // _VAL for index in range(_VAL)} if total > _VAL else set(range(total))
        for position, (image, sample) in enumerate(zip(batch["inputs"], outputs, strict=True)):
            if number * size + position in chosen and isinstance(sample, _DRAWN) and "gt" in sample:
                self._found.append((shrink_image(resize_image(_pixels(image), sample.ori_size), _SIDE)[0], sample))

    def _draw_val(self, runner: Runner, title: str) -> None:
        meta = runner.val_dataloader.dataset.metainfo
        images: list[np.ndarray] = []
        thresholds = (getattr(metric, "score_threshold", None) for metric in runner.val_loop.evaluator.metrics)
        score = max(_LOWEST, next((threshold for threshold in thresholds if threshold is not None), _SCORE))
        for pixels, sample in self._found:
            images += [_draw(pixels, sample, "gt", meta, legend=not images)]
            images += [_draw(pixels, sample, "pred", meta, score=score)]
        columns = 4 if len(self._found) > 2 else 2
        boxes = isinstance(self._found[0][1], DetSample)
        shown = f" (scores from {score:.2f}, or the best {_LEAST})" if boxes else ""
        titles = ["ground truth", f"prediction, {title}", "ground truth", f"prediction{shown}"]
        if columns == 2:
            titles[1] += shown
        _write(Path(runner.work_dir, EXAMPLES[1]), images, titles[:columns])


def _pixels(image: Tensor) -> np.ndarray:
    """[3, H, W] in 0..255 -> [H, W, 3] uint8."""
    return np.ascontiguousarray(image.clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def _draw(
    image: np.ndarray, sample: Any, kind: str, meta: Mapping[str, Any], *, legend: bool = False, score: float = 0.0
) -> np.ndarray:
    """Draw a sample's ``gt`` or ``pred`` into its image of any size."""
    found = sample.get(kind)
    if isinstance(sample, ClsSample):
        image = enlarge_image(image, _LEAST_SIDE)
        if kind == "pred":
            return draw_classes(image, found.score.float().cpu().numpy(), meta["classes"], _LEAST)
        return draw_tags(image, [(meta["classes"][int(found.label)], int(found.label))])
    if isinstance(sample, SegSample):
        labels = resize_labels(found.labels[0].cpu().numpy(), image.shape[:2])
        return draw_labels(image, labels, meta["classes"] if legend else (), meta["palette"])
    size = sample.input_size if kind == "gt" else sample.ori_size
    factors = np.array([image.shape[1] / size[1], image.shape[0] / size[0]] * 2, np.float32)
    boxes, labels = found.boxes.cpu().numpy() * factors, found.labels.cpu().numpy()
    if kind == "gt":
        return draw_truth(image, boxes, labels, meta["classes"])
    scores = found.scores.cpu().numpy()
    shown = slice(0, max(_LEAST, int((scores >= score).sum())))  # they are sorted
    return draw_boxes(image, Detections(boxes[shown], scores[shown], labels[shown]), meta["classes"])


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label map [H, W] to (height, width): each pixel takes the nearest label."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, labels.shape, strict=True))
    return np.ascontiguousarray(labels[rows][:, columns])


def _write(path: Path, images: Sequence[np.ndarray], titles: Sequence[str]) -> None:
    rows = list(_rows_of(images, len(titles)))
    write_durable(path, encode_image(side_by_side(rows, titles)))


def _rows_of(images: Sequence[np.ndarray], columns: int) -> Iterator[list[np.ndarray]]:
    """Yield rows of images on canvases of one size; missing ones are black."""
    height, width = max(image.shape[0] for image in images), max(image.shape[1] for image in images)
    canvases = []
    for image in images:
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[: image.shape[0], : image.shape[1]] = image
        canvases.append(canvas)
    canvases += [np.zeros((height, width, 3), np.uint8)] * (-len(canvases) % columns)
    for start in range(0, len(canvases), columns):
        yield canvases[start : start + columns]
