"""A narrowed network computes what the wider one computes when it ignores the dropped channels."""

import pytest
import torch

from densevision.adapt.inherit import choose, layout, magnitudes, narrow
from densevision.adapt.proposals import ladder, narrower, parts
from densevision.adapt.shape import FILTERS, config_of, shape_of, widths
from densevision.inference.load import build_model
from tests.adapt.networks import RASPP, build, detector, segmentor


def ignore(model, axes, kept):
    """Zero the weights with which convolutions read dropped channels."""
    tensors = model.state_dict()
    for name, (_, *inputs) in axes.items():
        channels = inputs[0] if inputs else None
        if channels is not None:
            joined = channels.endswith("+")
            stay = kept[channels.removesuffix("+")]
            if joined:
                stay = torch.cat([stay, stay + tensors[name].shape[1] // 2])
            dropped = torch.ones(tensors[name].shape[1], dtype=torch.bool)
            dropped[stay] = False
            tensors[name][:, dropped] = 0


def check(model):
    config, seed, shape = build(model)
    # Everything is narrowed at once, each part by a different share.
    new, before = {}, widths(shape)
    for number, names in enumerate(parts(shape).values()):
        rungs = list(ladder(shape, names))
        rung = widths(rungs[number % len(rungs)]) if rungs else before
        new |= {name: rung[name] for name in names}
    small = narrower(shape, new)
    axes = layout(seed, shape)
    kept = choose(seed.state_dict(), axes, widths(small))
    narrowed = build_model(config_of(config, small), 3).eval()
    assert shape_of(narrowed, config_of(config, small)) == small
    narrowed.load_state_dict(narrow(seed.state_dict(), axes, kept))
    ignore(seed, axes, kept)
    images = torch.rand(1, 3, 96, 96) - 0.5
    with torch.no_grad():
        wide, thin = seed(images), narrowed(images)
    for one, other in zip(*(([each] if torch.is_tensor(each) else each) for each in (wide, thin)), strict=True):
        error = float((one - other).abs().max() / one.abs().max())
        assert error < 1e-5, error
    count = [sum(p.numel() for p in each.parameters()) for each in (seed, narrowed)]
    assert count[1] < 0.9 * count[0]


@pytest.mark.parametrize("make", [detector, segmentor])
@pytest.mark.parametrize("halved", [False, True])
def test_small_narrowed_equals_small_masked(make, halved):
    task = "detection" if make is detector else "segmentation"
    check(make(reduced_tail=task if halved else None))


@pytest.mark.slow
@pytest.mark.parametrize("make", [detector, segmentor])
@pytest.mark.parametrize("halved", [False, True])
def test_large_narrowed_equals_large_masked(make, halved):
    task = "detection" if make is detector else "segmentation"
    check(make("mobilenet_v3_large", reduced_tail=task if halved else None))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "mnasnet_a1", "mobilenet_v1", "mobilenet_v3_large_original_last"])
@pytest.mark.parametrize("make", [detector, segmentor])
def test_other_tables_narrowed_equal_themselves_masked(make, name):
    check(make(name))


def test_raspp_narrowed_equals_raspp_masked():
    check(segmentor(head=RASPP, width=0.5))


def test_the_largest_filters_stay_in_their_order():
    weights = {
        "a.0.weight": torch.tensor([3.0, 1.0, 2.0]).view(3, 1, 1, 1),
        "b.weight": torch.ones(2, 3, 1, 1),
    }
    axes = {"a.0.weight": ("x", None), "b.weight": (None, "x")}
    kept = choose(weights, axes, {"x": 2})
    assert kept["x"].tolist() == [0, 2]
    assert narrow(weights, axes, kept)["a.0.weight"].flatten().tolist() == [3, 2]
    assert narrow(weights, axes, kept)["b.weight"].shape == (2, 2, 1, 1)


def test_a_batch_norm_scales_the_magnitude_and_writers_add_up():
    weights = {
        "a.0.weight": torch.tensor([3.0, 4.0]).view(2, 1, 1, 1),
        "a.1.weight": torch.tensor([1.0, -2.0]),
        "a.1.running_var": torch.tensor([1.0, 4.0]) - 1e-3,
        "b.0.weight": torch.tensor([[0.6, 0.8], [3.0, 4.0]]).view(2, 2, 1, 1),
    }
    axes = {"a.0.weight": ("x", None), "a.1.weight": ("x",), "b.0.weight": ("x", "y")}
    # a: 3 * 1 / 1 and 4 * |-2| / 2; b has no norm: 1 and 5
    assert magnitudes(weights, axes)["x"].tolist() == pytest.approx([3 + 1, 4 + 5])


def test_the_head_of_a_detector_is_not_narrowed_by_filters():
    assert FILTERS not in widths(build(detector(width=0.35))[2])
