"""The augmentations of SSD that albumentations lacks: the IoU crop and the expansion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import densevision.data.augment  # noqa: F401  # keeps albumentations off the network; must come before its import

import albumentations as A  # isort: skip
import numpy as np
from albumentations.augmentations.crops.transforms import BaseCrop
from pydantic import Field

from densevision.registry import TRANSFORMS

MIN_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
_ATTEMPTS = 40


@TRANSFORMS.register_module()
class SSDCrop(BaseCrop):
    """Crop so that an object keeps a minimum IoU with the crop, and remove objects whose center is outside.

    The minimum is sampled from ``MIN_IOUS`` and "no crop"; a crop is ``min_side`` to 1 of each side with an aspect
    ratio of 1/2 to 2. Images without objects are not changed.

    Args:
        min_side: in 0..1, not 0. A crop is resized to the network's input, so that objects become up to 1 / min_side
            times larger; the default is SSD's, the BCCD config has 0.7.
        p: probability.
    Source: Liu et al. 2016 (SSD), section 2.2.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        min_side: Annotated[float, Field(gt=0, le=1)]

    def __init__(self, min_side: float = 0.3, p: float = 1.0):
        super().__init__(p=p)
        self.min_side = min_side

    @property
    def targets_as_params(self) -> list[str]:
        return ["bboxes"]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, tuple[int, int, int, int]]:
        height, width = params["shape"][:2]
        boxes = np.asarray(data["bboxes"], np.float64)[:, :4] if len(data["bboxes"]) else np.zeros((0, 4))
        choice = self.py_random.randrange(len(MIN_IOUS) + 1)
        whole = (0, 0, width, height)
        if choice == len(MIN_IOUS) or not len(boxes):
            return {"crop_coords": whole}
        crop = self._find(boxes * [width, height, width, height], (height, width), MIN_IOUS[choice])
        return {"crop_coords": crop or whole}

    def _find(self, boxes: np.ndarray, size: tuple[int, int], min_iou: float) -> tuple[int, int, int, int] | None:
        corners = boxes.tolist()  # for few boxes plain numbers are faster than arrays
        for _ in range(_ATTEMPTS):
            height = max(1, round(size[0] * self.py_random.uniform(self.min_side, 1)))
            width = max(1, round(size[1] * self.py_random.uniform(self.min_side, 1)))
            if not 0.5 <= width / height <= 2:
                continue
            top = self.py_random.randint(0, size[0] - height)
            left = self.py_random.randint(0, size[1] - width)
            crop = (left, top, left + width, top + height)
            if any(center_inside(box, crop) and iou_with(box, crop) >= min_iou for box in corners):
                return crop
        return None

    def apply_to_bboxes(self, bboxes: np.ndarray, crop_coords: tuple[int, int, int, int], **params: Any) -> np.ndarray:
        height, width = params["shape"][:2]
        corners = (bboxes[:, :4] * [width, height, width, height]).tolist()
        inside = np.array([center_inside(box, crop_coords) for box in corners], bool)
        return super().apply_to_bboxes(bboxes[inside], crop_coords, **params)


@TRANSFORMS.register_module()
class Expand(A.Pad):
    """Pad the image to up to ``max_ratio`` times its size with gray, at a random position, so that objects shrink.

    Source: Liu et al. 2016 (SSD), section 3.6.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        max_ratio: Annotated[float, Field(ge=1)]

    def __init__(self, max_ratio: float = 4.0, p: float = 0.5):
        super().__init__(fill=127, p=p)
        self.max_ratio = max_ratio

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, int]:
        height, width = params["shape"][:2]
        ratio = self.py_random.uniform(1, self.max_ratio)
        rows, columns = int(height * (ratio - 1)), int(width * (ratio - 1))
        top, left = self.py_random.randint(0, rows), self.py_random.randint(0, columns)
        return dict(pad_top=top, pad_bottom=rows - top, pad_left=left, pad_right=columns - left)


def center_inside(box: Sequence[float], crop: tuple[int, int, int, int]) -> bool:
    """Return whether the center of a box is in the crop, both xyxy."""
    return crop[0] <= (box[0] + box[2]) / 2 <= crop[2] and crop[1] <= (box[1] + box[3]) / 2 <= crop[3]


def iou_with(box: Sequence[float], crop: tuple[int, int, int, int]) -> float:
    """Return the IoU of a box and the crop, both xyxy."""
    width, height = min(box[2], crop[2]) - max(box[0], crop[0]), min(box[3], crop[3]) - max(box[1], crop[1])
    shared = max(0.0, width) * max(0.0, height)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return shared / (area + (crop[2] - crop[0]) * (crop[3] - crop[1]) - shared)
