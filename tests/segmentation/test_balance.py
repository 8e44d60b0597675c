from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from densevision.errors import UserError
from densevision.segmentation.balance import BalanceClasses, class_weights, pixel_frequency
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.loss import CrossEntropyLoss, OHEMCrossEntropyLoss
from densevision.segmentation.lovasz import LovaszSoftmaxLoss
from densevision.segmentation.sum_loss import SumLoss


def test_frequency_counts_labeled_pixels_only(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car", "train"))
    # of 64 pixels: 32 sky, 30 road, 1 car, 1 unlabeled
    assert pixel_frequency(dataset) == pytest.approx(np.array([32, 30, 1, 0]) / 63)


def test_weights_decrease_with_the_logarithm_of_the_frequency():
    # 1 / ln(1.1) = 10.492, 1 / ln(1.6) = 2.1276
    assert class_weights(np.array([0.0, 0.5])) == pytest.approx([10.492, 2.1276], rel=1e-4)


def test_weights_reach_every_loss_that_takes_them(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car"))
    losses = SumLoss([LovaszSoftmaxLoss(), CrossEntropyLoss(), OHEMCrossEntropyLoss()])
    BalanceClasses().before_train(runner_of(dataset, losses))
    wanted = class_weights(np.array([32, 30, 1]) / 63)
    for loss in losses.losses[1:]:
        assert loss.class_weights.numpy() == pytest.approx(wanted, rel=1e-5)


def test_a_loss_without_weights_is_an_error(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car"))
    with pytest.raises(UserError, match="BalanceClasses has no effect on LovaszSoftmaxLoss; remove it"):
        BalanceClasses().before_train(runner_of(dataset, LovaszSoftmaxLoss()))


def test_weights_of_the_config_are_not_replaced(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car"))
    losses = SumLoss([CrossEntropyLoss(), CrossEntropyLoss([1, 1, 50])])
    with pytest.raises(UserError, match="BalanceClasses would replace class_weights in model; remove one of them"):
        BalanceClasses().before_train(runner_of(dataset, losses))


def runner_of(dataset, loss):
    """Return what the hook needs of a runner."""
    model = nn.Conv2d(3, 3, 1)
    model.loss_function = loss
    return SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset), model=model)
