"""The ground truth and prediction of one image, as mmengine data samples."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData, LabelData, PixelData

from densevision.structures import Detections


class _Sample(BaseDataElement):
    def set_metainfo(self, metainfo: dict) -> None:
        """Set the metainfo without mmengine's deep copy: its values are numbers, texts and tuples."""
        for name, value in metainfo.items():
            self.set_field(value, name, field_type="metainfo")


class DetSample(_Sample):
    """Boxes of one image.

    Metainfo: ``img_id``, ``img_path`` (str), ``ori_size`` and ``input_size``, both (height, width).

    Attributes:
        gt: ``boxes`` [G, 4] float32 xyxy in pixels of the network input, ``labels`` [G] int64.
        pred: ``boxes`` [D, 4] xyxy in pixels of the original image, ``scores`` [D], ``labels`` [D].
    """

    gt: InstanceData
    pred: InstanceData

    def set_result(self, result: Detections) -> None:
        """Set ``pred`` to a predictor's result, NumPy arrays."""
        boxes, scores, labels = map(torch.from_numpy, (result.boxes, result.scores, result.labels))
        self.pred = InstanceData(boxes=boxes, scores=scores, labels=labels)


class SegSample(_Sample):
    """Label map of one image.

    Metainfo: ``img_path`` (str), ``result_name`` (path of the image in its folder), ``ori_size`` and ``input_size``,
    both (height, width).

    Attributes:
        gt: ``labels`` [1, H, W] uint8, 255 is ignored.
        pred: ``labels`` [1, H, W] uint8 at the size of the original image.
    """

    gt: PixelData
    pred: PixelData

    def set_result(self, result: np.ndarray) -> None:
        """Set ``pred`` to a predictor's label map [H, W] uint8."""
        self.pred = PixelData(labels=torch.from_numpy(result)[None])


class ClsSample(_Sample):
    """Class of one image.

    Metainfo: ``img_path`` (str), ``ori_size`` and ``input_size``, both (height, width).

    Attributes:
        gt: ``label`` [1] int64 in 0..K-1.
        pred: ``score`` [K] float32 in 0..1.
    """

    gt: LabelData
    pred: LabelData

    def set_result(self, result: np.ndarray) -> None:
        """Set ``pred`` to a predictor's scores [K] float32."""
        self.pred = LabelData(score=torch.from_numpy(result))
