"""The only use of albumentations: build transforms, seed them, and keep boxes valid."""

from __future__ import annotations

import itertools
import os
import random
import warnings
from collections.abc import Collection, Sequence
from typing import Any

_OFFLINE = "NO_ALBUMENTATIONS_UPDATE"  # no network call on import
_added = _OFFLINE not in os.environ
os.environ.setdefault(_OFFLINE, "1")
import albumentations as A  # noqa: E402
import numpy as np  # noqa: E402
from albumentations import Resize  # noqa: E402
from albumentations.augmentations.crops.transforms import CropSizeError  # noqa: E402

from densevision.errors import UserError  # noqa: E402
from densevision.registry import TRANSFORMS  # noqa: E402

if _added:
    del os.environ[_OFFLINE]

__all__ = ["Augment", "Resize"]

for _transform in list(vars(A).values()):  # so that a config may name them by text
    if isinstance(_transform, type) and issubclass(_transform, A.BasicTransform | A.BaseCompose):
        TRANSFORMS.register_module(module=_transform)

_TRIALS = 4  # random scales to try before training


class Augment:
    """A chain of albumentations transforms that is a pure function of a seed.

    Args:
        transforms: config dicts (``dict(type=HorizontalFlip, p=0.5)``), also inside ``OneOf`` and its like, or built
            transforms.
        boxes: whether samples have boxes.
    Raises:
        UserError: an unknown argument of a transform, or an invalid value.
    """

    def __init__(self, transforms: Sequence[dict | A.BasicTransform], *, boxes: bool):
        bbox_params = A.BboxParams(
            "pascal_voc", label_fields=["labels"], clip=True, filter_invalid_bboxes=True, min_width=1, min_height=1
        )
        self.compose = A.Compose([_build(t) for t in transforms], bbox_params=bbox_params if boxes else None)

    def __call__(self, seed: int, **sample: Any) -> dict[str, Any]:
        """Augment one sample.

        Args:
            seed: determines every random choice.
            sample: ``image`` [H, W, 3] uint8; ``mask`` [H, W] uint8, or ``boxes`` [G, 4] xyxy in pixels and
                ``labels`` [G]. Transforms may read other keys, which do not change.
        Returns:
            The same keys, augmented; boxes that are no longer in the image are removed.
        """
        # Compose's own seed gives every transform the same random numbers; shared generators make them independent.
        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        if "boxes" not in sample:
            return self._compose(**sample)
        boxes, labels = sample.pop("boxes"), sample.pop("labels")
        out = self._compose(**sample, bboxes=boxes.astype(np.float64), labels=labels)
        out["boxes"] = np.asarray(out.pop("bboxes"), np.float32).reshape(-1, 4)
        out["labels"] = np.asarray(out["labels"], np.int64).reshape(-1)
        return out

    def _compose(self, **sample: Any) -> dict[str, Any]:
        try:
            return self.compose(**sample)
        except CropSizeError as error:
            height, width = sample["image"].shape[:2]
            raise UserError(
                f"a transform in the config crops more than an image of {width}x{height} has ({error}); put "
                "dict(type=PadIfNeeded, ...) before the crop, or make the crop smaller"
            ) from error
        except ValueError as error:
            if "missing keys" not in str(error):
                raise
            raise UserError(f"a transform in the config does not fit this task: {error}; remove it") from error

    def check(self, sizes: Collection[tuple[int, int]]) -> None:
        """Try the transforms on images of the smallest height and of the smallest width of these (height, width).

        Raises:
            UserError: a crop is larger than the image.
        """
        extremes = {min(sizes), min(sizes, key=lambda size: size[::-1])} if sizes else ()
        for size, seed in itertools.product(extremes, range(_TRIALS)):
            self(seed, image=np.zeros((*size, 3), np.uint8), mask=np.zeros(size, np.uint8))


def _build(transform: dict | A.BasicTransform) -> A.BasicTransform:
    if not isinstance(transform, dict):
        return transform
    if isinstance(inner := transform.get("transforms"), list | tuple):
        transform = dict(transform, transforms=[_build(each) for each in inner])
    name = getattr(transform.get("type"), "__name__", transform.get("type"))
    with warnings.catch_warnings():
        # albumentations only warns about an unknown argument, and continues with its default
        warnings.filterwarnings("error", message=r"Argument\(s\)")
        try:
            built = TRANSFORMS.build(transform)
        except (UserWarning, ValueError, TypeError, KeyError) as error:
            raise UserError(f"transform {name} in the config: {' '.join(str(error).split())}") from error
    if not isinstance(built, A.BasicTransform | A.BaseCompose):
        raise UserError(f"transform {name} in the config is none of albumentations; BoxMosaic and its like go into mix")
    return built
