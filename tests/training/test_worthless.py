import pytest

from densevision.training.metrics import worthless


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("coco/AP", 0.0099, "worthless: coco/AP is 0.99 of 100"),
        ("seg/mIoU", 0.0, "worthless: seg/mIoU is 0.00 of 100"),
        ("coco/AP", float("nan"), "can't be measured (nan)"),
        ("coco/AP", -1.0, "can't be measured (-1)"),
    ],
)
def test_models_that_learned_nothing_are_called_so_in_one_line(name, value, said):
    line = worthless(name, value)
    assert line.startswith("warning: ") and said in line and "\n" not in line


@pytest.mark.parametrize("name, value", [("coco/AP", 0.01), ("seg/mIoU", 0.6), ("mine/error", 0.0), ("loss", -3.0)])
def test_others_and_metrics_of_unknown_scale_are_not(name, value):
    assert worthless(name, value) is None
