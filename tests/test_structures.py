import pytest

from densevision.errors import UserError
from densevision.structures import PostProcess, check_range


@pytest.mark.parametrize("value", [0, 0.5, 1, 1.0])
def test_numbers_in_range_pass(value):
    check_range("threshold", value, low=0, high=1)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None, True, [0.5], 1e9])
def test_everything_else_is_refused_in_one_line(value):
    with pytest.raises(UserError, match="threshold is .*; give a number from 0 to 1") as raised:
        check_range("threshold", value, low=0, high=1)
    assert "\n" not in str(raised.value)


def test_a_bound_may_be_left_out_of_the_range():
    with pytest.raises(UserError, match="give a number over 0$"):
        check_range("weight", 0, low=0, with_low=False)
    check_range("weight", 1e-9, low=0, with_low=False)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(score_threshold=-1), "postprocess.score_threshold is -1"),
        (dict(iou_threshold=1.5), "postprocess.iou_threshold is 1.5"),
        (dict(max_detections=0), "postprocess.max_detections is 0; give a whole number from 1"),
        (dict(candidates=2.5), "postprocess.candidates is 2.5"),
        (dict(max_detections=True), "postprocess.max_detections is True"),
        (dict(clip_first=None), "postprocess.clip_first is None"),
        (dict(nms="class"), "postprocess.nms is 'class'; give across-classes or per-class"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        PostProcess(**settings)
