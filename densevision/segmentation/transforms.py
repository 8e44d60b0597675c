"""Augmentations of images with label maps that albumentations lacks."""

from __future__ import annotations

from typing import Annotated

import densevision.data.augment  # noqa: F401  # keeps albumentations off the network; must come before its import

import albumentations as A  # isort: skip
import numpy as np
from albumentations.augmentations.crops.transforms import RandomCrop
from pydantic import Field

from densevision.registry import TRANSFORMS
from densevision.segmentation.loss import IGNORE_LABEL


@TRANSFORMS.register_module()
class ClassUniformCrop(RandomCrop):
    """Crop at a random place, or, for a share of the samples, around a pixel of a random class.

    The class is one of those in the label map, all equally probable, and the pixel one of its pixels, so that rare
    classes come as often as frequent ones. A crop at the border is moved into the image. Without labeled pixels the
    place is random. Use it in place of ``RandomCrop``.

    Args:
        height, width: of the crop in pixels.
        share: of the samples, 0..1.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        height: Annotated[int, Field(ge=1)]
        width: Annotated[int, Field(ge=1)]
        share: Annotated[float, Field(ge=0, le=1)]

    def __init__(self, height: int, width: int, share: float = 0.5, p: float = 1.0):
        super().__init__(height, width, p=p)
        self.share = share

    @property
    def targets_as_params(self) -> list[str]:
        return ["mask"]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, object]:
        chosen: dict[str, object] = super().get_params_dependent_on_data(params, data)
        if self.py_random.random() >= self.share:
            return chosen
        mask = data["mask"]
        labels = [label for label in np.unique(mask).tolist() if label != IGNORE_LABEL]
        if not labels:
            return chosen
        pixels = np.flatnonzero(mask == self.py_random.choice(labels))
        row, column = divmod(int(pixels[self.py_random.randrange(len(pixels))]), mask.shape[1])
        top = min(max(row - self.height // 2, 0), mask.shape[0] - self.height)
        left = min(max(column - self.width // 2, 0), mask.shape[1] - self.width)
        return chosen | {"crop_coords": (left, top, left + self.width, top + self.height)}
