"""Choose the flips of the augmentation by the names of the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from densevision.proposal.choice import Choice

# Words in class names of objects that a mirror turns into something else.
_SIDED = {"left", "right", "text", "digit", "digits", "number", "letter", "letters", "character", "word", "arrow"}
# Words in class names of images without an upright direction: microscopes, satellites, drones that look down.
_FROM_ABOVE = {
    *("cell", "cells", "rbc", "wbc", "platelet", "platelets", "erythrocyte", "leukocyte", "neutrophil", "lymphocyte"),
    *("nucleus", "nuclei", "mitochondria", "bacteria", "bacterium", "colony", "colonies", "microscopy", "parasite"),
    *("aerial", "satellite", "roundabout", "helipad", "crater"),
}
_UPRIGHT = {"person", "people", "pedestrian", "man", "woman", "face", "head", "rider", "sky", "car", "horse", "dog"}


def choose_flips(classes: Sequence[str]) -> Choice[tuple[str, ...]]:
    """Return the names of the flips, and why: left-right unless names forbid it, up-down where names suggest it."""
    words = {word: name for name in classes for word in _words(name)}
    sided = next((words[word] for word in words if word in _SIDED), None) or _symbol(classes)
    if sided is not None:
        return Choice((), f"no flips: a mirror image of {sided!r} is something else")
    above = next((words[word] for word in words if word in _FROM_ABOVE), None)
    if above is not None and not _UPRIGHT & words.keys():
        return Choice(("HorizontalFlip", "VerticalFlip"), f"left-right and up-down: {above!r} has no upright direction")
    return Choice(("HorizontalFlip",), "left-right; not up-down, as most images have an upright direction")


def _words(name: str) -> list[str]:
    name = name.replace("cell phone", "phone")  # of COCO
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _symbol(classes: Sequence[str]) -> str | None:
    """Return the first class if most are single letters or digits, as of characters to read."""
    single = [name for name in classes if len(name.strip()) == 1]
    return single[0] if 2 * len(single) > len(classes) and len(single) > 1 else None
