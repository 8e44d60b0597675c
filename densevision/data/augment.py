"""The only use of albumentations: build transforms, seed them, and keep boxes valid."""

from __future__ import annotations

import itertools
import os
import random
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

_OFFLINE = "NO_ALBUMENTATIONS_UPDATE"  # no network call on import
_added = _OFFLINE not in os.environ
os.environ.setdefault(_OFFLINE, "1")
import albumentations as A  # noqa: E402
import numpy as np  # noqa: E402
from albumentations import Resize  # noqa: E402
from albumentations.augmentations.crops.transforms import CropSizeError  # noqa: E402
from albumentations.core.bbox_utils import BboxProcessor  # noqa: E402
from albumentations.core.utils import ShapeType  # noqa: E402

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
        bbox_params = A.BboxParams("pascal_voc", label_fields=["labels"], min_width=1, min_height=1)
        self.compose = A.Compose([_build(t) for t in transforms], bbox_params=bbox_params if boxes else None)
        for processor in self.compose.processors.values():
            processor.__class__ = _Boxes  # Compose chooses the class itself, and nested transforms share the object
            processor.label_manager.process_field("bboxes", "labels", np.zeros(1, np.int64))  # some transforms read it

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
            return self._run(sample)
        boxes, labels = sample.pop("boxes"), sample.pop("labels")
        out = self._run(sample | dict(bboxes=_pack(boxes, labels, sample["image"].shape)))
        out["boxes"], out["labels"] = _unpack(out.pop("bboxes"), out["image"].shape)
        return out

    def _run(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Apply the transforms as Compose does, without its checks of each sample, a tenth of the time of loading."""
        self.compose.py_random.random()  # by this number Compose decides whether to apply itself
        try:
            for transform in self.compose.transforms:
                sample = transform(**sample)
                if "bboxes" in sample:
                    sample["bboxes"] = clip_boxes(sample["bboxes"], sample["image"].shape)
            return sample
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
        except KeyError as error:
            raise UserError(f"a transform in the config does not fit this task: it needs {error}; remove it") from error

    def check(self, sizes: Collection[tuple[int, int]], blank: Callable[[tuple[int, int]], dict[str, Any]]) -> None:
        """Try the transforms on images of the smallest height and of the smallest width of these (height, width).

        Args:
            sizes: of the images.
            blank: returns a sample without content for a (height, width).
        Raises:
            UserError: a crop is larger than the image.
        """
        extremes = {min(sizes), min(sizes, key=lambda size: size[::-1])} if sizes else ()
        for size, seed in itertools.product(extremes, range(_TRIALS)):
            self(seed, **blank(size))


class _Boxes(BboxProcessor):
    """What nested transforms, such as ``OneOf``, do with boxes after each transform."""

    def filter(self, data: np.ndarray, shape: ShapeType) -> np.ndarray:
        """Clip and remove boxes, see ``clip_boxes``."""
        return clip_boxes(data, (shape["height"], shape["width"]))


def clip_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Clip boxes to the image, and remove those that are less than a pixel wide or high.

    Args:
        boxes: [G, 4 or more], xyxy as a share of the image's sides.
        shape: (height, width) of the image; more numbers have no meaning.
    Returns:
        What albumentations' ``filter_bboxes`` returns, bit for bit, in a fifth of its time.
    """
    if not len(boxes):
        return np.zeros((0, 4), np.float32)
    size = _size(shape)
    clipped = boxes.astype(np.float64)
    pixels = clipped[:, :4] * size
    clipped[:, :4] = np.clip(pixels, 0, size, out=pixels) / size
    corners = clipped[:, :4] * size
    kept = (corners[:, 2:] - corners[:, :2] >= 1 - 1e-7).all(axis=1)
    return clipped[kept] if kept.any() else np.zeros((0, 4), np.float32)


def _pack(boxes: np.ndarray, labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return [G, 4] xyxy in pixels and labels as albumentations has them, [G, 5] with shares of the image's sides."""
    size = _size(shape)
    shares = np.clip((boxes / size).astype(np.float32), 0, 1)  # rounded as albumentations rounds them
    packed = np.empty((len(boxes), 5))
    packed[:, :4] = np.clip(shares * size, 0, size) / size
    packed[:, 4] = labels
    return packed[(shares[:, 2:] > shares[:, :2]).all(axis=1)]


def _unpack(packed: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return [G, 4] xyxy in pixels, float32, and [G] labels, int64."""
    packed = clip_boxes(packed, shape)
    boxes = (packed[:, :4] * _size(shape)).astype(np.float32)
    return boxes, packed[:, 4].astype(np.int64) if len(packed) else np.zeros(0, np.int64)


def _size(shape: Sequence[int]) -> np.ndarray:
    return np.array([shape[1], shape[0]] * 2, np.float64)


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
