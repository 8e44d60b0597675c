"""Whether a greater figure is better is stated by the metric that gives it."""

from densevision.evaluation import metric_sign
from tests.training.toy_parts import Scripted, ScriptedErrors


def test_the_metric_of_the_figure_states_the_sign():
    both = [dict(type=Scripted, prefix="gain"), dict(type=ScriptedErrors, prefix="loss")]
    assert metric_sign(both, "gain/score") == 1 and metric_sign(both, "loss/score") == -1
    assert metric_sign(both, "other/score") == 1
