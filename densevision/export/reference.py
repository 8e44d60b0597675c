"""The model as ``densevision test`` runs it, which an exported file is held against: ``SSDLite`` and ``Segmentor``
through their own preprocessor and predict mode."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from densevision.data.samples import DetSample, SegSample
from densevision.detection.model import SSDLite
from densevision.images import resize_image
from densevision.inference.predictor import DetectionPredictor, SegmentationPredictor
from densevision.segmentation.model import Segmentor
from densevision.structures import Detections, Nms


class ReferenceDetector(DetectionPredictor):
    """A detector's predict mode, image by image.

    Args:
        classes: K names.
        float_resize: as in ``CocoDataset``.
    """

    def __init__(self, model: SSDLite, classes: tuple[str, ...], *, float_resize: bool = False):
        super().__init__(model, classes, model.postprocess, float_resize=float_resize)
        self._model = model

    def __call__(self, image: np.ndarray) -> Detections:
        """Find the objects of an image [H, W, 3] uint8 RGB; see ``DetectionPredictor``."""
        pixels = image.astype(np.float32) if self.float_resize else image
        found = _predict(self._model, resize_image(pixels, self._model.input_size), DetSample(), image.shape[:2])
        return Detections(found.boxes, found.scores, found.labels).numpy()


class ReferenceSegmenter(SegmentationPredictor):
    """A segmenter's predict mode, image by image, at the images' own size."""

    def __init__(self, model: Segmentor, classes: tuple[str, ...]):
        super().__init__(model, classes, [])
        self._model = model

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Label an image [H, W, 3] uint8 RGB; returns [H, W] uint8."""
        return _predict(self._model, image, SegSample(), image.shape[:2]).labels[0].numpy()


@torch.inference_mode()
def _predict(model: SSDLite | Segmentor, pixels: np.ndarray, sample, size: tuple[int, int]):
    sample.set_metainfo(dict(ori_size=size, input_size=pixels.shape[:2]))
    inputs = torch.from_numpy(pixels.transpose(2, 0, 1))
    (sample,) = model.test_step(dict(inputs=[inputs], data_samples=[sample]))
    return sample.pred


@torch.inference_mode()
def dense_outputs(model: SSDLite, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Boxes [A, 4] in input pixels and scores [A, K] of an image [*input_size, 3] uint8, before any selection."""
    inputs = model.data_preprocessor(dict(inputs=[torch.from_numpy(image.transpose(2, 0, 1))]))["inputs"]
    (boxes,), (scores,) = model.dense(inputs)
    return boxes, scores


def with_op_rules(model: SSDLite, nms: Nms) -> SSDLite:
    """Share a model's weights, but select its detections as TFLite's detection op does.

    The op clips no boxes before the suppression, and takes any number of candidates.
    """
    other = copy.copy(model)
    other.postprocess = replace(model.postprocess, nms=nms, clip_first=False, candidates=len(model.anchors))
    return other
