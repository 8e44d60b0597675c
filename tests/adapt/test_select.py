"""The choice on a hand-made table, and the reward."""

import pytest

from densevision.adapt.proposals import Proposal
from densevision.adapt.select import reward, select, select_by_reward


def of(**latencies):
    return [Proposal(name, None, ms) for name, ms in latencies.items()]


def test_the_smallest_loss_per_saved_time_wins():
    # before: 10 ms, 0.50. a: -0.02 / 1 ms = -0.020; b: -0.03 / 2 ms = -0.015; c: -0.10 / 4 ms = -0.025
    scores = dict(a=0.48, b=0.47, c=0.40)
    assert select(of(a=9, b=8, c=6), scores, (10, 0.50)).name == "b"


def test_of_equal_ratios_the_larger_saving_wins_then_the_first():
    # a, b and c lose 0.125 per ms
    scores = dict(a=0.375, b=0.25, c=0.25)
    assert select(of(a=9, b=8, c=8), scores, (10, 0.5)).name == "b"
    assert select(of(c=8, b=8, a=9), scores, (10, 0.5)).name == "c"


def test_a_gain_beats_every_loss_and_the_steepest_gain_wins():
    # a: -0.001; b: +0.02 / 2 ms = 0.01; c: +0.015 / 1 ms = 0.015
    scores = dict(a=0.499, b=0.52, c=0.515)
    assert select(of(a=9, b=8), scores, (10, 0.50)).name == "b"
    assert select(of(a=9, b=8, c=9), scores, (10, 0.50)).name == "c"


def test_no_change_of_accuracy_takes_the_larger_saving():
    assert select(of(a=9, b=7), dict(a=0.5, b=0.5), (10, 0.5)).name == "b"


def test_what_saves_nothing_and_no_proposals_are_refused():
    with pytest.raises(ValueError, match="choose from: a"):
        select(of(a=10, b=9), dict(a=1, b=0), (10, 0.5))
    with pytest.raises(ValueError, match="there are none"):
        select([], {}, (10, 0.5))


def test_twice_the_latency_costs_five_percent():
    assert reward(0.75, 80, 80) == 0.75
    assert reward(0.75, 160, 80, -0.07) == pytest.approx(0.75 * 0.9526, abs=1e-4)  # 2 ** -0.07
    assert reward(0.75, 160, 80, -0.15) == pytest.approx(0.75 * 0.9013, abs=1e-4)  # 2 ** -0.15
    assert reward(0.75, 160, 80, 0) == 0.75


def test_w_shifts_the_choice_from_accuracy_to_latency():
    proposals, accuracies = of(a=12, b=8), dict(a=0.60, b=0.50)
    assert select_by_reward(proposals, accuracies, 8, 0).name == "a"
    assert select_by_reward(proposals, accuracies, 8, -1).name == "b"  # 0.6 * 8 / 12 = 0.4


@pytest.mark.parametrize("figures", [(-0.1, 1, 1, 0), (0.1, 0, 1, 0), (0.1, 1, 0, 0), (0.1, 1, 1, 0.1)])
def test_figures_out_of_range_are_refused(figures):
    with pytest.raises(ValueError, match="out of range"):
        reward(*figures)
