"""A training that stops when it no longer improves."""

import pytest

from densevision.errors import UserError
from densevision.training.stop import TrainingStopped
from tests.training.toy_parts import Scripted
from tests.training.toy_runs import make_runner, train

NO_CURVES = "default_hooks.curves=None"


def scripted(*scores: float | None) -> tuple[str, ...]:
    """Overrides of a training of 40 iterations that is evaluated every 5 with these scores, the first in rehearsal."""
    Scripted.calls = 0
    metric = f"val_evaluator=dict(type='tests.training.toy_parts.Scripted', scores={[0.5, *scores]})"
    best = "default_hooks.checkpoint.save_best=toy/score"
    return NO_CURVES, metric, best, "train_cfg.val_interval=5"


@pytest.mark.parametrize(
    ("scores", "patience", "last", "best"),
    [
        ([0.1, 0.3, 0.2, 0.3, 0.5], 2, 20, 10),  # 0.3 at 10; not better at 15 and 20
        ([0.1, 0.3, 0.2, 0.4, 0.3, 0.3], 2, 30, 20),
        ([0.0, 0.0, 0.0], 2, 15, 15),  # nothing is learned: the first score is an improvement, the next two are not
        ([None, None], 2, 10, 10),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 2, 40, 40),
        ([0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 7, 40, 5),  # the last evaluation ends it in any case
    ],
)
def test_evaluations_without_a_new_best_score_are_counted(tmp_path, capsys, scores, patience, last, best):
    runner = train(tmp_path, *scripted(*scores), f"train_cfg.patience={patience}")
    assert (runner.iter, runner.message_hub.runtime_info["best_iteration"]) == (last, best)
    assert (tmp_path / "best.pth").is_file() and (tmp_path / f"iter_{last}.pth").is_file()
    said = (
        f"toy/score has not improved in {patience} evaluations (--patience {patience}); best.pth is of iteration {best}"
    )
    assert (f"stopped at iteration {last} of 40: {said}\n" in capsys.readouterr().out) == (last < 40)


def test_errors_improve_by_falling(tmp_path):
    options = [one.replace("Scripted", "ScriptedErrors") for one in scripted(0.9, 0.4, 0.5, 0.6, 0.1)]
    runner = train(tmp_path, *options, "train_cfg.patience=2")
    assert (runner.iter, runner.message_hub.runtime_info["best_iteration"]) == (20, 10)  # 0.5 and 0.6 are worse


def test_a_resumed_training_continues_the_count(tmp_path, capsys):
    options = (*scripted(0.3, 0.2, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9), "train_cfg.patience=3")
    with pytest.raises(TrainingStopped):
        train(tmp_path, *options, "custom_hooks.0.at=12")  # not better at 10
    Scripted.calls = 2  # the rehearsal repeats the second score
    assert train(tmp_path, *options, resume=True).iter == 20  # not better at 15 and 20
    Scripted.calls = 2
    capsys.readouterr()
    assert train(tmp_path, *options, resume=True).iter == 20
    assert "stopped at iteration 20 of 40: toy/score has not improved in 3 evaluations" in capsys.readouterr().out


def test_without_a_score_there_is_no_patience(tmp_path):
    for override in ("default_hooks.checkpoint.save_best=None", "val_dataloader=None"):
        with pytest.raises(UserError, match="--patience. needs val data and a metric"):
            make_runner(tmp_path, NO_CURVES, override, "train_cfg.patience=3").train()
