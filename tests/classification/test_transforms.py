"""The crop of Inception: area, aspect ratio, and the fallback."""

import numpy as np
import pytest

from densevision.classification.transforms import InceptionCrop
from densevision.data.augment import Augment
from densevision.images import fit_image

RAMP = np.dstack([np.indices((60, 80))[0], np.indices((60, 80))[1], np.zeros((60, 80))]).astype(np.uint8)


def test_area_and_ratio_are_in_their_ranges_and_positions_differ():
    augment = Augment([dict(type=InceptionCrop, scale=(0.25, 0.5))], boxes=False)
    corners = set()
    for seed in range(40):
        crop = augment(seed, image=RAMP)["image"]
        height, width = crop.shape[:2]
        assert 0.24 <= height * width / 4800 <= 0.52
        assert 0.73 <= width / height <= 1.37
        corners.add((int(crop[0, 0, 0]), int(crop[0, 0, 1])))
    assert len(corners) > 30


def test_an_image_too_narrow_for_any_crop_gives_its_center():
    narrow = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 10, 0).repeat(3, 2)  # [10, 100, 3]
    augment = Augment([dict(type=InceptionCrop, scale=(1.0, 1.0))], boxes=False)
    crop = augment(0, image=narrow)["image"]
    assert crop.shape[:2] == (10, 13)  # 10 * 4/3
    assert crop[0, 0, 0] == 43  # (100 - 13) / 2


@pytest.mark.parametrize(
    ("size", "share", "rows", "columns"),
    [((30, 30), None, (0, 59), (0, 79)), ((30, 30), 1.0, (0, 59), (10, 69)), ((30, 30), 0.5, (15, 44), (25, 54))],
)
def test_the_center_of_an_image(size, share, rows, columns):
    found = fit_image(RAMP, size, share)
    assert found.shape == (30, 30, 3)
    for axis, (low, high) in enumerate((rows, columns)):
        values = found[..., axis]
        assert abs(int(values.min()) - low) <= 1 and abs(int(values.max()) - high) <= 1
