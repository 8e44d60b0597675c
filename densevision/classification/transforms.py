"""The crop that ImageNet's classifiers are trained with."""

from __future__ import annotations

import math

import densevision.data.augment  # noqa: F401  # keeps albumentations off the network; must come before its import

from albumentations.augmentations.crops.transforms import BaseCrop  # isort: skip

from densevision.errors import UserError
from densevision.registry import TRANSFORMS

_ATTEMPTS = 10


@TRANSFORMS.register_module()
class InceptionCrop(BaseCrop):
    """Crop a random share of the area, with a random aspect ratio, at a random position.

    The data set then resizes the crop to the input's size. Where ten crops did not fit into the image, the largest one
    in the center is taken.

    Args:
        scale: (lowest, highest) share of the image's area.
        ratio: (lowest, highest) width / height; its logarithm is uniform.
    Source: Szegedy et al. 2015 (Going deeper with convolutions), section 6.
    """

    class InitSchema(BaseCrop.InitSchema):
        scale: tuple[float, float]
        ratio: tuple[float, float]

    def __init__(
        self, scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3), p: float = 1.0
    ):
        super().__init__(p=p)
        for name, (low, high) in (("scale", scale), ("ratio", ratio)):
            if not 0 < low <= high or name == "scale" and high > 1:
                raise UserError(
                    f"InceptionCrop has {name}={(low, high)}; give (lowest, highest) above 0, of scale to 1"
                )
        self.scale, self.ratio = scale, ratio

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, tuple[int, int, int, int]]:
        height, width = params["shape"][:2]
        for _ in range(_ATTEMPTS):
            area = height * width * self.py_random.uniform(*self.scale)
            ratio = math.exp(self.py_random.uniform(*map(math.log, self.ratio)))
            rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < rows <= height and 0 < columns <= width:
                top, left = self.py_random.randint(0, height - rows), self.py_random.randint(0, width - columns)
                return {"crop_coords": (left, top, left + columns, top + rows)}
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        columns, rows = min(width, round(height * ratio)), min(height, round(width / ratio))
        top, left = (height - rows) // 2, (width - columns) // 2
        return {"crop_coords": (left, top, left + columns, top + rows)}
