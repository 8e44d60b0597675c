import pytest

from densevision.backbones.spec import make_divisible, place_hswish, scale_spec
from densevision.backbones.tables import LARGE, SMALL


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, 8), (8, 8), (11.9, 16), (12, 16), (18, 24), (36, 40), (44, 48), (67.5, 64), (90, 88)],
)
def test_make_divisible_rounds_to_eight_and_down_by_at_most_a_tenth(channels, expected):
    # 11.9: rounds to 8, but 8 < 0.9 * 11.9 = 10.7, so 16. 18: 16 < 16.2, so 24. 90: 88 >= 81 stays.
    assert make_divisible(channels) == expected


def test_width_one_does_not_change_the_table():
    assert scale_spec(LARGE) == LARGE


def test_width_scales_every_channel_of_the_small_table():
    half = scale_spec(SMALL, width=0.5)
    assert half.stem == 8
    assert [block.out for block in half.blocks] == [8, 16, 16, 24, 24, 24, 24, 24, 48, 48, 48]
    # expansion = input channels * the table's ratio: 8 * 72/16 = 36 -> 40; 16 * 88/24 = 58.7 -> 56
    assert [block.expand for block in half.blocks][:3] == [8, 40, 56]
    assert half.last == 288


def test_detection_tail_keeps_the_expansion_of_c4():
    tail = scale_spec(LARGE, reduced_tail="detection").blocks[12:]
    assert [(block.expand, block.out) for block in tail] == [(672, 80), (480, 80), (480, 80)]
    assert scale_spec(LARGE, reduced_tail="detection").last == 480


def test_segmentation_tail_also_halves_the_expansion_of_c4():
    spec = scale_spec(SMALL, reduced_tail="segmentation")
    assert [(block.expand, block.out) for block in spec.blocks[8:]] == [(144, 48), (288, 48), (288, 48)]
    assert spec.last == 288


@pytest.mark.parametrize(("channels", "first"), [(None, 15), (16, 0), (80, 6), (112, 10)])
def test_hswish_starts_at_the_given_channels(channels, first):
    acts = [block.act for block in place_hswish(LARGE, channels).blocks]
    assert acts == ["relu"] * first + ["hswish"] * (15 - first)


def test_hswish_from_80_is_the_table():
    assert place_hswish(LARGE, 80) == LARGE


@pytest.mark.parametrize("options", [dict(width=0), dict(reduced_tail="both")])
def test_wrong_values_raise_an_error_that_names_them(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        scale_spec(LARGE, **options)
