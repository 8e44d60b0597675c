import math

import numpy as np
import pytest
import torch

from densevision.config.build_errors import config_errors
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.segmentation.rmi import RMILoss
from densevision.segmentation.sum_loss import SumLoss


def logits_of(scores):
    """[H, W] scores of class 1 of two -> logits [1, 2, H, W]."""
    scores = torch.tensor(scores, dtype=torch.float64)
    return torch.stack([1 - scores, scores]).log()[None]


def test_hand_computed_cells_of_one_pixel():
    # One pixel per region: labels 0 and 1, scores 0.2 and 0.8. Variances 0.25 and 0.09, covariance 0.15; what remains
    # is 0.25 - 0.15 ** 2 / (0.09 + 0.01) = 0.025, for both classes alike.
    loss = RMILoss(step=1, region=1, floor=0.01)
    target = torch.tensor([[[0, 1]]], dtype=torch.uint8)
    assert loss(logits_of([[0.2, 0.8]]), target).item() == pytest.approx(math.log(0.035 / 0.01) / 2, rel=1e-6)
    # Scores that say nothing leave the whole variance; exact ones leave 0.25 - 0.25 ** 2 / 0.26 = 0.0096.
    assert loss(logits_of([[0.5, 0.5]]), target).item() == pytest.approx(math.log(0.26 / 0.01) / 2, rel=1e-6)
    sure = torch.tensor([[[[50.0, -50.0]], [[-50.0, 50.0]]]], dtype=torch.float64)
    assert loss(sure, target).item() == pytest.approx(math.log((0.25 - 0.25**2 / 0.26 + 0.01) / 0.01) / 2, rel=1e-6)


def test_cells_are_means_of_pixels():
    # Cells of 2x2: the labels' shares are 0 and 3/4, the scores' means 1/4 and 1/2.
    target = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 0]]], dtype=torch.uint8)
    scores = [[0.1, 0.4, 0.9, 0.1], [0.4, 0.1, 0.5, 0.5]]
    found = RMILoss(step=2, region=1, floor=0.01)(logits_of(scores), target).item()
    left = (3 / 8) ** 2 - (3 / 8 / 8) ** 2 / (1 / 8**2 + 0.01)
    assert found == pytest.approx(math.log((left + 0.01) / 0.01) / 2, rel=1e-6)


def test_regions_equal_numpys_covariance():
    generator = np.random.default_rng(0)
    scores, target = generator.uniform(0.05, 0.95, (6, 7)), generator.integers(0, 2, (6, 7)).astype(np.uint8)
    found = RMILoss(step=1)(logits_of(scores.tolist()), torch.from_numpy(target)[None]).item()
    wanted = []
    for labels, guesses in (((target == 0) * 1.0, 1 - scores), ((target == 1) * 1.0, scores)):
        corners = [(row, column) for row in range(4) for column in range(5)]
        vectors = [
            np.stack([values[r : r + 3, c : c + 3].ravel() for r, c in corners], 1) for values in (labels, guesses)
        ]
        both = np.cov(np.concatenate(vectors), ddof=0)
        inner = np.linalg.inv(both[9:, 9:] + 5e-4 * np.eye(9))
        left = both[:9, :9] - both[:9, 9:] @ inner @ both[9:, :9]
        wanted.append((np.log(np.linalg.det(left + 5e-4 * np.eye(9))) / 9 - math.log(5e-4)) / 2)
    assert found == pytest.approx(np.mean(wanted), rel=1e-6)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 8, 8).double().requires_grad_()
    target = torch.randint(0, 2, (1, 8, 8), dtype=torch.uint8)
    target[0, :2, :2] = 255
    loss = RMILoss(step=2)
    assert torch.autograd.gradcheck(lambda values: loss(values, target), [logits])


def test_ignored_pixels_do_not_count():
    torch.manual_seed(0)
    logits, target = torch.randn(1, 3, 8, 12), torch.randint(0, 3, (1, 8, 12), dtype=torch.uint8)
    loss = RMILoss(step=2, region=2)
    target[..., 8:] = 255
    changed = logits.clone()
    changed[..., 8:] += 10 * torch.randn(1, 3, 8, 4)
    assert loss(changed, target).item() == loss(logits, target).item()
    assert loss(logits, target).item() == pytest.approx(loss(logits[..., :8], target[..., :8]).item(), rel=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3, 5), (16, 16)])
def test_nothing_labeled_is_zero_with_zero_gradients(size):
    logits = torch.randn(2, 3, *size, requires_grad=True)
    loss = RMILoss()(logits, torch.full((2, *size), 255, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16)])
def test_one_class_has_nothing_to_tell(size):
    logits = torch.randn(1, 3, *size, requires_grad=True)
    loss = RMILoss()(logits, torch.zeros(1, *size, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and torch.isfinite(logits.grad).all()


def test_memory_is_that_of_one_image():
    """The regions of a batch of 8 would be 8 times those of an image; what is kept for the gradient is not."""
    kept = []

    def pack(tensor):
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    logits = torch.randn(8, 4, 64, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        RMILoss(step=1)(logits, torch.randint(0, 4, (8, 64, 64), dtype=torch.uint8))
    regions = 4 * 9 * 62**2 * 8  # bytes, of one image's scores
    assert sum(kept) < regions


def test_it_begins_in_the_second_half_of_a_sum():
    loss = SumLoss([dict(type="densevision.CrossEntropyLoss"), dict(type="densevision.RMILoss")], begins=[0, 0.5])
    logits, target = torch.randn(1, 2, 16, 16), torch.randint(0, 2, (1, 16, 16), dtype=torch.uint8)
    early = loss(logits, target)
    loss.progress = 0.5
    assert loss(logits, target) == early + RMILoss()(logits, target)


@pytest.mark.parametrize(("option", "value"), [("step", 0), ("region", 0), ("floor", 0), ("floor", 1), ("step", "a")])
def test_bad_settings_are_one_line(option, value):
    with pytest.raises(UserError, match=f"RMILoss: {option} is {value!r}"), config_errors():
        MODELS.build(dict(type="densevision.RMILoss", **{option: value}))
