import pytest

from densevision.training.metrics import warn_if_worthless, worthless
from tests.training.toy_parts import Scripted
from tests.training.toy_runs import train


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("coco/AP", 0.0499, "worthless: coco/AP is 4.99 of 100"),
        ("seg/mIoU", 0.0, "worthless: seg/mIoU is 0.00 of 100"),
        ("coco/AP", float("nan"), "can't be measured (nan)"),
        ("coco/AP", -1.0, "can't be measured (-1)"),
    ],
)
def test_models_that_learned_nothing_are_called_so_in_one_line(name, value, said):
    line = worthless(name, value)
    assert line.startswith("warning: ") and said in line and "\n" not in line


@pytest.mark.parametrize("name, value", [("coco/AP", 0.05), ("seg/mIoU", 0.6), ("mine/error", 0.0), ("loss", -3.0)])
def test_others_and_metrics_of_unknown_scale_are_not(name, value):
    assert worthless(name, value) is None


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        # background 92 of 100, the object 4: a mIoU of 48 for a model that finds nothing
        (
            {"seg/mIoU": 0.48, "seg/IoU_background": 0.92, "seg/IoU_cat": 0.04},
            "one class only, background (seg/mIoU is 48.0",
        ),
        ({"seg/mIoU": 0.50, "seg/IoU_background": 0.92, "seg/IoU_cat": 0.05}, None),
        ({"seg/mIoU": 0.92, "seg/IoU_background": 0.92}, None),  # one class occurs
        ({"seg/mIoU": 0.1, "seg/IoU_road": 0.2, "seg/IoU_sky": 0.1, "seg/IoU_car": 0.0}, None),
        ({"coco/AP": 0.004}, "coco/AP is 0.40 of 100"),
        ({"toy/score": 0.0}, None),
    ],
)
def test_a_model_of_one_class_is_worthless(figures, said):
    line = warn_if_worthless(figures)
    assert line is None if said is None else said in line and "init_from" in line and "densevision check" in line


@pytest.mark.parametrize(("scores", "warned"), [([0.5, 0.001, 0.002], True), ([0.5, 0.3, 0.001], False)])
def test_a_training_that_learned_nothing_ends_with_a_warning(tmp_path, capsys, scores, warned):
    Scripted.calls = 0
    metric = f"val_evaluator=dict(type='tests.training.toy_parts.Scripted', scores={scores}, prefix='coco')"
    best = "default_hooks.checkpoint.save_best=coco/score"
    runner = train(
        tmp_path, metric, best, "default_hooks.curves=None", "train_cfg.max_iters=2", "train_cfg.val_interval=1"
    )
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("warning: this model is worthless: coco/score is 0.20 of 100; ") == warned
    assert bool(runner.message_hub.runtime_info["worthless"]) == warned
