"""Choose batch size, number of iterations and learning rate by the number of training images."""

from __future__ import annotations

import math
from dataclasses import dataclass

EVALUATIONS = 5
_KNEE = 400  # training images from which a training takes longer, with their square root
_MOST_EPOCHS = 300
_MOST_SEEN = 1_000_000  # images: about 10 hours of the small detector on two cores (28 images per second)


@dataclass(frozen=True)
class Recipe:
    """What a task's schedule is made from.

    Attributes:
        batch: images per iteration, where there are as many.
        seen: images that a training on few images sees in total.
        seen_pretrained: the same for one that starts from published weights.
        rate: learning rate at ``batch``; half of it with published weights.
        warmup: iterations of the warm-up, where it is not limited by ``warmup_share`` of the training.
        warmup_share: largest share of the iterations.
    """

    batch: int
    seen: int
    seen_pretrained: int
    rate: float
    warmup: int
    warmup_share: float


# As configs/detection/ssdlite_v3_small_reduced_bccd.py and ..._bccd_finetuned.py, at 205 images.
DETECTION = Recipe(batch=16, seen=38_400, seen_pretrained=9_600, rate=2e-3, warmup=320, warmup_share=1 / 6)
# As configs/segmentation/lraspp_v3_small_camvid.py, at 367 images.
SEGMENTATION = Recipe(batch=8, seen=20_000, seen_pretrained=10_000, rate=5e-3, warmup=100, warmup_share=1 / 10)
# As configs/classification/v3_small_bccd_cells.py, at 2,804 images.
CLASSIFICATION = Recipe(batch=32, seen=19_200, seen_pretrained=9_600, rate=0.05, warmup=100, warmup_share=1 / 6)
RECIPES = {"detection": DETECTION, "segmentation": SEGMENTATION, "classification": CLASSIFICATION}


@dataclass(frozen=True)
class Schedule:
    """Batch size, iterations, and learning rate of a training.

    Attributes:
        batch: images per iteration, at most the number of training images.
        iterations: of the training.
        interval: iterations between evaluations.
        warmup: iterations of the warm-up.
        rate: learning rate for ``batch``.
        epochs: passes over the training images.
    """

    batch: int
    iterations: int
    interval: int
    warmup: int
    rate: float
    epochs: float


def choose_schedule(images: int, recipe: Recipe, *, pretrained: bool) -> Schedule:
    """Choose a schedule.

    Args:
        images: number of training images, at least 1.
        pretrained: whether the training starts from published weights.
    """
    batch = min(recipe.batch, images)
    seen = (recipe.seen_pretrained if pretrained else recipe.seen) * math.sqrt(max(1.0, images / _KNEE))
    fewest_epochs = 12 if pretrained else 30
    seen = min(max(seen, fewest_epochs * images), _MOST_EPOCHS * images, _MOST_SEEN)
    interval = _rounded(seen / batch / EVALUATIONS)
    iterations = EVALUATIONS * interval
    factor = batch / recipe.batch * (0.5 if pretrained else 1)
    warmup = max(1, min(recipe.warmup, int(recipe.warmup_share * iterations)))
    return Schedule(
        batch, iterations, interval, warmup, _significant(recipe.rate * factor), iterations * batch / images
    )


def _rounded(interval: float) -> int:
    """Round to a number that is easily read: to 10 from 20 on."""
    step = 10 if interval >= 20 else 1
    return max(1, round(interval / step)) * step


def _significant(rate: float) -> float:
    return float(f"{rate:.2g}")
