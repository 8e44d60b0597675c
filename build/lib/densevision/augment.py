"""The one place that knows albumentations: build, seed, and keep boxes sane."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Sequence

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no network call on import
import albumentations as A  # noqa: E402
import numpy as np  # noqa: E402
from albumentations import Resize  # noqa: E402

from densevision.errors import UserError  # noqa: E402
from densevision.registry import TRANSFORMS  # noqa: E402

__all__ = ["Augment", "Resize"]


class Augment:
    """A chain of albumentations transforms that is a pure function of a seed.

    Args:
        transforms: config dicts (``dict(type=HorizontalFlip, p=0.5)``) or built transforms.
        boxes: whether samples carry boxes.
    Raises:
        UserError: an argument that the transform does not know, or a value that it refuses.
    """

    def __init__(self, transforms: Sequence[dict | A.BasicTransform], *, boxes: bool):
        bbox_params = A.BboxParams(
            "pascal_voc", label_fields=["labels"], clip=True, filter_invalid_bboxes=True, min_width=1, min_height=1
        )
        self.compose = A.Compose([_build(t) for t in transforms], bbox_params=bbox_params if boxes else None)

    def __call__(self, seed: int, **sample: np.ndarray) -> dict[str, np.ndarray]:
        """Augment one sample.

        Args:
            seed: decides every random choice.
            sample: ``image`` [H, W, 3] uint8; ``mask`` [H, W] uint8, or ``boxes`` [G, 4] xyxy in pixels and
                ``labels`` [G].
        Returns:
            The same keys, augmented; boxes that left the image are gone.
        """
        # Compose's own seed gives every transform the same stream; shared generators keep them independent.
        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        if "boxes" not in sample:
            return self.compose(**sample)
        boxes, labels = sample.pop("boxes"), sample.pop("labels")
        out = self.compose(**sample, bboxes=boxes.astype(np.float64), labels=labels)
        out["boxes"] = np.asarray(out.pop("bboxes"), np.float32).reshape(-1, 4)
        out["labels"] = np.asarray(out["labels"], np.int64).reshape(-1)
        return out


def _build(transform: dict | A.BasicTransform) -> A.BasicTransform:
    if not isinstance(transform, dict):
        return transform
    name = getattr(transform.get("type"), "__name__", transform.get("type"))
    with warnings.catch_warnings():
        # albumentations only warns about an unknown argument, and goes on with its default
        warnings.filterwarnings("error", message=r"Argument\(s\)")
        try:
            return TRANSFORMS.build(transform)
        except (UserWarning, ValueError, TypeError, KeyError) as error:
            raise UserError(f"transform {name} in the config: {' '.join(str(error).split())}") from error
