"""The ground truth and prediction of one image, as mmengine data samples."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from densevision.structures import Detections


class DetSample(BaseDataElement):
    """Boxes of one image.

    Metainfo: ``img_id`` (int), ``img_path`` (str), ``ori_size`` and ``input_size``, both (height, width).
    """

    @property
    def gt(self) -> InstanceData:
        """``boxes`` [G, 4] float32 xyxy in pixels of the network input, ``labels`` [G] int64."""
        return self._gt

    @gt.setter
    def gt(self, value: InstanceData) -> None:
        self.set_field(value, "_gt", dtype=InstanceData)

    @property
    def pred(self) -> InstanceData:
        """``boxes`` [D, 4] xyxy in pixels of the original image, ``scores`` [D], ``labels`` [D]."""
        return self._pred

    @pred.setter
    def pred(self, value: InstanceData) -> None:
        self.set_field(value, "_pred", dtype=InstanceData)

    def set_result(self, result: Detections) -> None:
        """Take a predictor's result, NumPy arrays, as ``pred``."""
        boxes, scores, labels = map(torch.from_numpy, (result.boxes, result.scores, result.labels))
        self.pred = InstanceData(boxes=boxes, scores=scores, labels=labels)


class SegSample(BaseDataElement):
    """Label map of one image.

    Metainfo: ``img_path`` (str), ``ori_size`` and ``input_size``, both (height, width).
    """

    @property
    def gt(self) -> PixelData:
        """``labels`` [1, H, W] uint8, 255 is ignored."""
        return self._gt

    @gt.setter
    def gt(self, value: PixelData) -> None:
        self.set_field(value, "_gt", dtype=PixelData)

    @property
    def pred(self) -> PixelData:
        """``labels`` [1, H, W] uint8 at the size of the original image."""
        return self._pred

    @pred.setter
    def pred(self, value: PixelData) -> None:
        self.set_field(value, "_pred", dtype=PixelData)

    def set_result(self, result: np.ndarray) -> None:
        """Take a predictor's label map [H, W] uint8 as ``pred``."""
        self.pred = PixelData(labels=torch.from_numpy(result)[None])
