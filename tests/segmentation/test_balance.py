import numpy as np
import pytest

from densevision.segmentation.balance import class_weights, pixel_frequency
from densevision.segmentation.cityscapes import CityscapesDataset


def test_frequency_counts_labeled_pixels_only(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car", "train"))
    # of 64 pixels: 32 sky, 30 road, 1 car, 1 unlabeled
    assert pixel_frequency(dataset) == pytest.approx(np.array([32, 30, 1, 0]) / 63)


def test_weights_decrease_with_the_logarithm_of_the_frequency():
    # 1 / ln(1.1) = 10.492, 1 / ln(1.6) = 2.1276
    assert class_weights(np.array([0.0, 0.5])) == pytest.approx([10.492, 2.1276], rel=1e-4)
