"""A detector in PyTorch as an exported file is compared with it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from densevision.data.samples import DetSample
from densevision.detection.model import SSDLite
from densevision.export.reference import predict_sample
from densevision.images import resize_image
from densevision.inference.predictor import DetectionPredictor
from densevision.inference.torch_backend import TorchBackend
from densevision.structures import Detections, Nms


class ReferenceDetector(DetectionPredictor):
    """A detector's predict mode, image by image.

    Args:
        classes: K names.
        float_resize: as in ``CocoDataset``.
    """

    def __init__(self, model: SSDLite, classes: Sequence[str], *, float_resize: bool = False):
        backend = TorchBackend(model.predict_dense, model.data_preprocessor.normalize, model.input_size)
        super().__init__(backend, classes, model.postprocess, float_resize=float_resize)
        self.model = model

    def __call__(self, image: np.ndarray) -> Detections:
        """Find the objects of an image [H, W, 3] uint8 RGB; see ``DetectionPredictor``."""
        pixels = image.astype(np.float32) if self.float_resize else image
        found = predict_sample(self.model, resize_image(pixels, self.model.input_size), DetSample(), image.shape[:2])
        return Detections(found.boxes, found.scores, found.labels).numpy()


@torch.inference_mode()
def predict_dense(model: SSDLite, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Boxes [A, 4] in input pixels and scores [A, K] of an image [*input_size, 3] uint8, before any selection."""
    inputs = model.data_preprocessor(dict(inputs=[torch.from_numpy(image.transpose(2, 0, 1))]))["inputs"]
    (boxes,), (scores,) = model.predict_dense(inputs)
    return boxes, scores


def with_op_postprocess(model: SSDLite, nms: Nms) -> SSDLite:
    """Share a model's weights, but select its detections as TFLite's detection op does.

    The op clips no boxes before NMS, and takes any number of candidates.
    """
    other = copy.copy(model)
    other.postprocess = replace(model.postprocess, nms=nms, clip_first=False, candidates=len(model.anchors))
    return other
