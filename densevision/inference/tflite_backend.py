"""Run a .tflite that ``densevision export`` wrote. Needs ai-edge-litert, NumPy and OpenCV; no torch, no config."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from densevision.errors import UserError
from densevision.inference.classification import ClassificationPredictor
from densevision.inference.metadata import ModelInfo, read_model_info
from densevision.inference.predictor import DetectionPredictor, Predictor, SegmentationPredictor, class_palette
from densevision.stages import native_output_hidden
from densevision.structures import Nms, PostProcess
from densevision.task import TASKS, resolve

_WITH_SCORES = ("boxes", "logits", "scores")  # outputs whose last axis are the classes
_DIMENSIONS = {"scores": 2, "logits": 4, "boxes": 3}  # of the first output


class TFLiteBackend:
    """A ``Backend`` on TFLite's interpreter.

    Args:
        path: of the file.
        threads: None uses one per core, at most four. A detection op with NMS per class gets one:
            on N threads TFLite's op loses class N (tensorflow#56058; tests/export/test_detection_op.py).
    Attributes:
        path: of the file.
        about: the file's metadata.
        lowest_score: see ``Backend``.
    Raises:
        UserError: the file was not exported by densevision or is corrupt, or ai-edge-litert is missing.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        self.path = path
        self.about: ModelInfo = read_model_info(path)
        self.input_size = self.about.size
        inside = self.about.outputs == "detections"
        self.lowest_score = float(self.about.postprocess["score_threshold"]) if inside else 0.0
        if inside and self.about.postprocess["nms"] == "per-class":
            threads = 1
        self._interpreter = open_interpreter(path, threads or min(4, os.cpu_count() or 1))
        entry, outputs = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()
        found = [*entry["shape"].tolist(), np.dtype(entry["dtype"]).name, len(outputs)]
        if found != [1, *self.about.size, 3, self.about.input_type, TASKS[self.about.task].outputs[self.about.outputs]]:
            raise UserError(f"{path}: its metadata does not fit its network; export it again")
        if len(outputs[0]["shape"]) != _DIMENSIONS.get(self.about.outputs, len(outputs[0]["shape"])):
            raise UserError(f"{path}: its metadata names {self.about.outputs}, its network others; export it again")
        if self.about.outputs in _WITH_SCORES and outputs[-1]["shape"][-1] != len(self.about.classes):
            raise UserError(f"{path}: its metadata names {len(self.about.classes)} classes, its network another number")
        self._input, self._outputs = entry["index"], [detail["index"] for detail in outputs]

    def run(self, image: np.ndarray) -> list[np.ndarray]:
        """[1, H, W, 3] uint8 RGB of the right size -> the file's own outputs, in its order."""
        self._interpreter.set_tensor(self._input, as_input(image, self.about.input_type))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute the outputs, see ``Backend``."""
        outputs = self.run(image)
        if self.about.outputs == "detections":
            return spread_detections(*outputs, num_classes=len(self.about.classes), size=self.input_size)
        if self.about.outputs == "boxes":
            return boxes_in_pixels(outputs[0], self.input_size), outputs[1]
        return tuple(outputs)


def open_interpreter(path: str | Path, threads: int = 1, *, keep_tensors: bool = False) -> Any:
    """Open TFLite's interpreter on a file, ready to run.

    Args:
        keep_tensors: also values in the middle of the graph can be read.
    Raises:
        UserError: the runtime is not installed, or refuses the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(f"{path}: running it needs ai-edge-litert; pip install ai-edge-litert") from error
    try:
        with warnings.catch_warnings(), native_output_hidden():  # XNNPACK's line
            warnings.simplefilter("ignore")  # keep_tensors warns that it keeps tensors
            interpreter = Interpreter(str(path), num_threads=threads, experimental_preserve_all_tensors=keep_tensors)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path}: TFLite refuses it: {' '.join(str(error).split())[:200]}") from error
    return interpreter


def as_input(image: np.ndarray, input_type: str) -> np.ndarray:
    """Convert uint8 pixels to the type of a file's input: uint8, or float32 from -1 to 1."""
    return image if input_type == "uint8" else image.astype(np.float32) / np.float32(127.5) - 1


def boxes_in_pixels(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[..., 4] (ymin, xmin, ymax, xmax) in fractions -> [..., 4] xyxy in pixels, not clipped."""
    height, width = size
    return boxes[..., [1, 0, 3, 2]] * np.array([width, height, width, height], np.float32)


def spread_detections(
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    count: np.ndarray,
    *,
    num_classes: int,
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the detection op's outputs into what ``Backend`` gives.

    Args:
        boxes: [1, D, 4], classes: [1, D], scores: [1, D], count: [1]; rows after ``count`` are of earlier images.
    Returns:
        Boxes [1, count, 4] in pixels and scores [1, count, K], zero except for the class of each row.
    """
    found = int(count[0])
    if found and classes[0, :found].max() >= num_classes:
        raise UserError(
            f"the file finds class {int(classes[0, :found].max())}, and names {num_classes}; export it again"
        )
    spread = np.zeros((1, found, num_classes), np.float32)
    spread[0, np.arange(found), classes[0, :found].astype(np.int64)] = scores[0, :found]
    return boxes_in_pixels(boxes[:, :found], size), spread


def load_tflite(
    path: str | Path, score_threshold: float | None = None, threads: int | None = None, *, nms: Nms | None = None
) -> Predictor:
    """Load a file, ready to predict.

    Args:
        score_threshold: lowest score of a detection, in 0..1; None uses the file's own. A file with the
            detection op inside reports nothing below its own threshold. Other tasks ignore it.
        threads: see ``TFLiteBackend``.
        nms: how NMS treats overlapping boxes, for drawing; None as for evaluation: as the model was trained, or
            as the detection op inside does. Other tasks ignore it.
    Raises:
        UserError: see ``TFLiteBackend``; or the file has applied NMS across classes already, and ``nms`` is
            "per-class"; or files of its task are not for predicting.
    """
    backend = TFLiteBackend(path, threads)
    task = TASKS[backend.about.task]
    if task.file_predictor is None:
        raise UserError(f"{path}: a .tflite of a {task.noun} can't be run")
    return resolve(task.file_predictor)(backend, score_threshold=score_threshold, nms=nms)


def classification_predictor(
    backend: TFLiteBackend, *, score_threshold: float | None = None, nms: Nms | None = None
) -> ClassificationPredictor:
    """Return the predictor of a classifier's file."""
    return ClassificationPredictor(backend, backend.about.classes, center_crop=backend.about.center_crop)


def detection_predictor(
    backend: TFLiteBackend, *, score_threshold: float | None = None, nms: Nms | None = None
) -> DetectionPredictor:
    """Return the predictor of a detector's file; see ``load_tflite``."""
    postprocess = _reported(backend.about, nms, backend.path)
    if score_threshold is not None:
        postprocess = replace(postprocess, score_threshold=score_threshold)
    return DetectionPredictor(backend, backend.about.classes, postprocess)


def segmentation_predictor(
    backend: TFLiteBackend, *, score_threshold: float | None = None, nms: Nms | None = None
) -> SegmentationPredictor:
    """Return the predictor of a segmentation model's file."""
    about = backend.about
    palette = class_palette(about.palette, about.classes, str(backend.path))
    return SegmentationPredictor(
        backend, about.classes, palette, padded_size=about.padded_size, align_corners=about.align_corners
    )


def _reported(about: ModelInfo, nms: Nms | None, path: str | Path) -> PostProcess:
    own = PostProcess(**about.postprocess)
    if about.outputs == "boxes":
        return own if nms is None else replace(own, nms=nms, clip_first=False)
    if nms == "per-class" and own.nms == "across-classes":
        raise UserError(f"{path} suppresses across classes inside; export it with --nms per-class, or leave --nms out")
    if nms in (None, own.nms):
        return replace(own, iou_threshold=1.0)  # the file has applied NMS already
    return replace(own, nms=nms)
