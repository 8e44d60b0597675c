"""Augmentations of images with label maps that albumentations lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import densevision.data.augment  # noqa: F401  # keeps albumentations off the network; must come before its import

import albumentations as A  # isort: skip
import numpy as np
from albumentations.augmentations.crops.transforms import RandomCrop
from albumentations.core.type_definitions import Targets
from pydantic import Field

from densevision.errors import UserError, listed
from densevision.registry import TRANSFORMS
from densevision.segmentation.loss import IGNORE_LABEL

OTHER = "other"  # key of a sample: a function without arguments that returns an ``OtherImage``, or None


@dataclass(frozen=True)
class OtherImage:
    """Another training image, without augmentation.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        mask: [H, W] uint8 class indices, 255 is ignored.
        classes: names, by index.
    """

    image: np.ndarray
    mask: np.ndarray
    classes: Sequence[str]


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


@TRANSFORMS.register_module()
class PasteClass(A.DualTransform):
    """Paste the pixels of a rare class of another training image, with their labels, at the same place.

    The other image is drawn from the data set, and half of the time mirrored; the class is one of those of ``classes``
    in it, all equally probable. Where the images differ in size, their upper left corners coincide. An image without
    these classes gives nothing. It comes first in the list: what is pasted is then cropped and colored with the rest.

    Args:
        classes: names of the data set's classes.
        p: share of the samples, 0..1.
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    class InitSchema(A.BasicTransform.InitSchema):
        classes: Annotated[list[str], Field(min_length=1)]

    def __init__(self, classes: Sequence[str], p: float = 0.5):
        super().__init__(p=p)
        self.classes = list(classes)

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, object]:
        source = data.get(OTHER)  # absent where only the sizes of the transforms are checked
        other = source and source()
        if not other:
            return {"pasted": None}
        names = [*other.classes]
        if unknown := [name for name in self.classes if name not in names]:
            raise UserError(f"transform PasteClass: {unknown[0]!r} is no class of the data; give {listed(names, 20)}")
        mirrored = self.py_random.random() < 0.5
        image, mask = (values[:, ::-1] if mirrored else values for values in (other.image, other.mask))
        labels = sorted({names.index(name) for name in self.classes} & set(np.unique(mask).tolist()))
        if not labels:
            return {"pasted": None}
        height, width = (min(sides) for sides in zip(mask.shape, params["shape"][:2], strict=True))
        label = self.py_random.choice(labels)
        return {"pasted": (np.nonzero(mask[:height, :width] == label), image, label)}

    def apply(self, img: np.ndarray, pasted: tuple | None, **params: object) -> np.ndarray:
        if pasted is None:
            return img
        place, image, _ = pasted
        changed = img.copy()
        changed[place] = image[place]
        return changed

    def apply_to_mask(self, mask: np.ndarray, pasted: tuple | None, **params: object) -> np.ndarray:
        if pasted is None:
            return mask
        place, _, label = pasted
        changed = mask.copy()
        changed[place] = label
        return changed
