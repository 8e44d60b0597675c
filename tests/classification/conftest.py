"""Folders of tiny images, a color per class."""

import numpy as np
import pytest

from densevision.images import write_image

COLORS = dict(red=(220, 40, 30), green=(30, 200, 60), blue=(20, 60, 230))


def write_tree(root, counts, size=(12, 16)):
    """Write ``root/split/class/N.png`` for split -> class -> number of images; returns the root."""
    random = np.random.default_rng(0)
    for split, classes in counts.items():
        for name, count in classes.items():
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                color = np.array(COLORS.get(name, (128, 128, 128))) + random.integers(-20, 20, 3)
                pixels = np.full((*size, 3), color.clip(0, 255), np.uint8)
                write_image(root / split / name / f"{number}.png", pixels)
    return root


@pytest.fixture
def tree(tmp_path):
    """Three classes in train, and in val two of them."""
    counts = dict(train=dict(red=2, green=3, blue=1), val=dict(blue=1, red=2))
    return write_tree(tmp_path / "data", counts)
