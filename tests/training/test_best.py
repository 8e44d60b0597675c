"""Which checkpoint is best.pth: cases.md row 13 and its relatives."""

import pytest
import torch

from densevision.config.load import load_config
from densevision.training.runner import build_runner
from tests.training.toy_parts import Scripted, ScriptedErrors
from tests.training.toy_runs import CONFIG, train

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((0.1, 0.3, 0.2), 4),
        ((-1.0, -1.0, -1.0), 6),  # val without boxes: the latest
        ((NAN, NAN, NAN), 6),
        ((None, None, None), 6),
        ((float("inf"), 0.1, NAN), 4),  # infinity is no score
        ((-1.0, 0.2, -1.0), 4),
        ((0.2, NAN, None), 2),
        ((NAN, 0.0, -1.0), 4),
        ((0.0, 0.0, 0.0), 6),  # nothing learned yet: the latest
        ((0.4, 0.4, 0.4), 2),  # of equal scores the first
        ((-0.3, -0.2, -0.5), 4),
        ((1, 2, "text"), 4),
    ],
)
def test_the_best_checkpoint(tmp_path, capsys, scores, best):
    Scripted.calls = 0
    config = load_config(
        CONFIG,
        [
            "train_cfg.max_iters=6",
            "train_cfg.val_interval=2",
            "default_hooks.curves=None",
            "default_hooks.checkpoint.save_best=toy/score",
        ],
    )
    config.val_evaluator = dict(type=Scripted, scores=(0.5, *scores))
    config.work_dir = str(tmp_path)
    build_runner(config).train()
    assert torch.load(tmp_path / "best.pth")["meta"]["iter"] == best
    undefined = sum(score in (None, "text", -1.0, float("inf")) or score != score for score in scores)
    printed = capsys.readouterr().out
    assert printed.count("toy/score is undefined; best.pth is ") == undefined


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((0.3, 0.1, 0.2), 4),
        ((0.3, 0.1, 0.1), 4),  # of equal errors the first
        ((0.0, 0.0, 0.1), 2),  # also of none
        ((NAN, 0.5, None), 4),
    ],
)
def test_the_best_checkpoint_of_a_metric_where_lower_is_better(tmp_path, scores, best):
    Scripted.calls = 0
    overrides = ["train_cfg.max_iters=6", "train_cfg.val_interval=2", "default_hooks.curves=None"]
    config = load_config(CONFIG, [*overrides, "default_hooks.checkpoint.save_best=toy/score"])
    config.val_evaluator = dict(type=ScriptedErrors, scores=(0.5, *scores))
    config.work_dir = str(tmp_path)
    build_runner(config).train()
    assert torch.load(tmp_path / "best.pth")["meta"]["iter"] == best


def test_a_score_of_another_metric_is_not_compared_with(tmp_path):
    options = ["default_hooks.curves=None", "train_cfg.val_interval=2", "param_scheduler=[]"]
    other = "val_evaluator=dict(type='tests.training.toy_parts.Counting', figures=dict(count=50.0))"
    train(tmp_path, *options, "train_cfg.max_iters=2", other, "default_hooks.checkpoint.save_best=own/count")
    train(tmp_path, *options, "train_cfg.max_iters=4", resume=True)  # accuracy is at most 1
    assert torch.load(tmp_path / "best.pth")["meta"]["iter"] == 4


@pytest.mark.parametrize(("score", "stored"), [(0.5, 0.25), (0.001, None)])
def test_a_checkpoint_of_an_evaluation_has_its_score_threshold(tmp_path, score, stored):
    class WithThreshold(Scripted):
        score_threshold = 0.25
        details = "of the evaluation"

    Scripted.calls = 0
    options = ["train_cfg.max_iters=2", "train_cfg.val_interval=1", "default_hooks.checkpoint.save_best=coco/score"]
    config = load_config(CONFIG, [*options, "default_hooks.curves=None"])
    config.val_evaluator = dict(type=WithThreshold, prefix="coco", scores=(0.5, score, 0.0))
    config.work_dir = str(tmp_path)
    runner = build_runner(config)
    runner.train()
    first, last = (torch.load(tmp_path / name)["meta"] for name in ("best.pth", "iter_2.pth"))
    assert first["iter"] == 1 and first.get("score_threshold") == stored
    assert "score_threshold" not in last  # that evaluation gave 0: a worthless model
    (hook,) = [hook for hook in runner.hooks if hasattr(hook, "best_evaluation")]
    assert hook.best_evaluation.details == ["of the evaluation"] and hook.best_evaluation.iteration == 1
    assert hook.last_evaluation.metrics["coco/score"] == 0
