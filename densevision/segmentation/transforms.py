"""Augmentations of images with label maps that albumentations lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import densevision.data.augment  # noqa: F401  # keeps albumentations off the network; must come before its import

import albumentations as A  # isort: skip
import cv2
import numpy as np
from albumentations.augmentations.crops.transforms import RandomCrop
from albumentations.core.pydantic import check_range_bounds, nondecreasing
from albumentations.core.type_definitions import Targets
from pydantic import AfterValidator, Field

from densevision.errors import UserError, listed
from densevision.registry import TRANSFORMS
from densevision.segmentation.loss import IGNORE_LABEL

Share = Annotated[tuple[float, float], AfterValidator(check_range_bounds(0, 1)), AfterValidator(nondecreasing)]

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


class _PasteOther(A.DualTransform):
    """Paste pixels of another training image, drawn from the data set, half of the time mirrored, with their labels.

    Where the images differ in size, their upper left corners coincide. A subclass chooses the pixels.
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    @property
    def targets_as_params(self) -> list[str]:
        return [OTHER]

    def choose_pixels(self, mask: np.ndarray, names: list[str]) -> tuple | None:
        """Return an index of the pixels of a label map [H, W] with these classes, or None for none."""
        raise NotImplementedError

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, object]:
        other = data[OTHER]()
        if not other:
            return {"pasted": None}
        mirrored = self.py_random.random() < 0.5
        image, mask = (values[:, ::-1] if mirrored else values for values in (other.image, other.mask))
        height, width = (min(sides) for sides in zip(mask.shape, params["shape"][:2], strict=True))
        place = self.choose_pixels(mask[:height, :width], [*other.classes])
        return {"pasted": place and (place, image, mask)}

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
        place, _, labels = pasted
        changed = mask.copy()
        changed[place] = labels[place]
        return changed


@TRANSFORMS.register_module()
class PasteClass(_PasteOther):
    """Paste the pixels of a rare class of another training image, with their labels, at the same place.

    The other image is drawn from the data set, and half of the time mirrored; the class is one of those of ``classes``
    in it, all equally probable. Where the images differ in size, their upper left corners coincide. An image without
    these classes gives nothing. It comes first in the list: what is pasted is then cropped and colored with the rest.

    Args:
        classes: names of the data set's classes.
        p: share of the samples, 0..1.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        classes: Annotated[list[str], Field(min_length=1)]

    def __init__(self, classes: Sequence[str], p: float = 0.5):
        super().__init__(p=p)
        self.classes = list(classes)

    def choose_pixels(self, mask: np.ndarray, names: list[str]) -> tuple | None:
        """Return the pixels of one of the classes.

        Raises:
            UserError: the data set has not all of them.
        """
        check_names(self, names)
        labels = sorted({names.index(name) for name in self.classes} & set(np.unique(mask).tolist()))
        return np.nonzero(mask == self.py_random.choice(labels)) if labels else None


def check_names(transform: A.BasicTransform | A.BaseCompose, names: Sequence[str]) -> None:
    """Check the classes of ``PasteClass``, also inside ``OneOf`` and its like.

    Raises:
        UserError: the data set has not all of them.
    """
    for name in transform.classes if isinstance(transform, PasteClass) else ():
        if name not in names:
            raise UserError(f"transform PasteClass: {name!r} is no class of the data; give {listed(names, 20)}")
    for inner in getattr(transform, "transforms", ()):
        check_names(inner, names)


@TRANSFORMS.register_module()
class CutMix(_PasteOther):
    """Paste a rectangle of another training image, with its labels, at the same place.

    The other image is drawn from the data set, and half of the time mirrored. Where the images differ in size, their
    upper left corners coincide. It comes first in the list: what is pasted is then cropped and colored with the rest.
    Source: Yun et al. 2019 (CutMix); French et al. 2020, section 4, for segmentation.

    Args:
        area: lowest and highest area of the rectangle, 0..1 of the image. It is half to twice as wide as high, in
            proportion to the image; a side that would be longer than the image's is cut.
        p: share of the samples, 0..1.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        area: Share

    def __init__(self, area: Sequence[float] = (0.2, 0.6), p: float = 0.5):
        super().__init__(p=p)
        self.area = tuple(area)

    def choose_pixels(self, mask: np.ndarray, names: list[str]) -> tuple | None:
        """Return a rectangle as two slices."""
        area, shape = self.py_random.uniform(*self.area), 2 ** self.py_random.uniform(-0.5, 0.5)
        shares = min(area**0.5 * shape, 1), min(area**0.5 / shape, 1)
        sides = [max(1, round(share * side)) for share, side in zip(shares, mask.shape, strict=True)]
        begins = [self.py_random.randint(0, whole - side) for whole, side in zip(mask.shape, sides, strict=True)]
        return tuple(slice(begin, begin + side) for begin, side in zip(begins, sides, strict=True))


@TRANSFORMS.register_module()
class ColorTransfer(A.ImageOnlyTransform):
    """Bring the light and the colors of an image near to those of another training image.

    Mean and standard deviation of each channel of CIELAB become a mixture of the two images', so that a street of the
    afternoon is also seen at dusk, whatever the sequences of the data set differ in. The labels stay. It comes first in
    the list, where the image is whole.
    Source: Reinhard et al. 2001 (Color Transfer between Images), with CIELAB for their l-alpha-beta space.

    Args:
        share: lowest and highest share of the other image in the mixture, 0..1.
        p: share of the samples, 0..1.
    """

    class InitSchema(A.BasicTransform.InitSchema):
        share: Share

    def __init__(self, share: Sequence[float] = (0.3, 1.0), p: float = 0.5):
        super().__init__(p=p)
        self.share = tuple(share)

    @property
    def targets_as_params(self) -> list[str]:
        return [OTHER]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, object]:
        other = data[OTHER]()
        return {"source": other and other.image, "share": self.py_random.uniform(*self.share)}

    def apply(self, img: np.ndarray, source: np.ndarray | None, share: float, **params: object) -> np.ndarray:
        if source is None:
            return img
        changed, other = (cv2.cvtColor(one, cv2.COLOR_RGB2LAB) for one in (img, source))
        (mean, std), (target, spread) = (cv2.meanStdDev(one) for one in (changed, other))  # [3, 1] each
        scale = 1 + share * (spread / np.maximum(std, 1) - 1)
        table = (np.arange(256) - mean) * scale + mean + share * (target - mean)  # [3, 256], of the values of 8 bits
        table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
        return cv2.cvtColor(cv2.LUT(changed, np.ascontiguousarray(table.T)[None]), cv2.COLOR_LAB2RGB)
