"""Metrics of one's own (B6), evaluations called from Python (B12), and the rehearsal (cases.md row 14)."""

import numpy as np
import pytest
import torch
from mmengine.evaluator import DumpResults, Evaluator

from densevision.errors import UserError
from densevision.training.curves import read_table
from densevision.training.metrics import (
    about_classes,
    as_number,
    build_evaluator,
    numbers_of,
    primary_metric,
    score_of,
    set_folders,
    tables,
    warn_if_worthless,
    write_reports,
)
from tests.training.toy_parts import Accuracy, Counting, Writing
from tests.training.toy_runs import make_runner, train

FAST = ("default_hooks.curves=None", "train_cfg.max_iters=2", "param_scheduler=[]")


OWN = "tests.training.toy_parts.Counting"
WRITING = "tests.training.toy_parts.Writing"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (True, 1.0),
        (np.float32(0.25), 0.25),
        (np.int64(3), 3.0),
        (np.bool_(True), 1.0),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([2]), 2.0),
        (np.array([[4.0]]), 4.0),
        (torch.ones(2), None),
        (np.ones(2), None),
        ("0.5", None),
        (None, None),
        ([1], None),
        ({}, None),
    ],
)
def test_what_is_a_number(value, number):
    assert as_number(value) == number


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (0.5, 0.5),
        (0, 0.0),
        (-0.5, -0.5),
        (-1, None),
        (-1.0, None),
        (float("nan"), None),
        (float("inf"), None),
        ("a", None),
        (None, None),
    ],
)
def test_what_models_are_ranked_by(value, score):
    assert score_of({"m": value}, "m") == score
    assert score_of({}, "m") is None


def test_the_figure_that_counts():
    assert primary_metric({"coco/AP50": 0.5, "coco/AP": 0.25}) == ("coco/AP", 0.25)
    assert primary_metric({"seg/aAcc": 0.5, "seg/mIoU": 0.25}) == ("seg/mIoU", 0.25)
    assert primary_metric({"text": "x", "a/b/c": np.float32(0.5), "d": 1}) == ("a/b/c", 0.5)
    assert primary_metric({"coco/AP": 0.25, "own": 3}, "own") == ("own", 3.0)
    assert primary_metric({"coco/AP": 0.25}, "not there") == ("coco/AP", 0.25)
    for empty in ({}, {"text": "x"}):
        with pytest.raises(UserError, match="the metrics gave no figure"):
            primary_metric(empty)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"coco/AP": 0.0}, "coco/AP is 0.00 of 100"),
        ({"coco/AP": 0.0499}, "4.99 of 100"),
        ({"coco/AP": 0.05}, None),
        ({"seg/mIoU": 0.005}, "seg/mIoU is 0.50 of 100"),
        ({"coco/AP": -1.0}, "coco/AP can't be measured"),
        ({"seg/mIoU": float("nan")}, "can't be measured"),
        ({"own/error": 0.0}, None),
        ({}, None),
    ],
)
def test_a_worthless_model_is_named(figures, said):
    found = warn_if_worthless(figures)
    assert said in found if said else found is None


@pytest.mark.parametrize("name", ["small", "a_b", "x/y", "AP", "traffic light", "mIoU"])
def test_figures_of_a_class_are_known_by_its_name(name):
    summary = ["coco/AP", "coco/AP50", "seg/mIoU", "my/own/f1"]
    for form in (f"coco/AP/{name}", f"seg/IoU_{name}"):
        assert about_classes([*summary, form], ["cat", name]) == {form}


def test_metrics_are_built_from_every_form():
    own, listed = dict(type=Counting, figures={}), [dict(type=Counting), dict(type=Accuracy)]
    assert [type(m) for m in build_evaluator(own).metrics] == [Counting]
    assert [type(m) for m in build_evaluator(listed).metrics] == [Counting, Accuracy]
    assert [type(m) for m in build_evaluator(dict(metrics=listed)).metrics] == [Counting, Accuracy]
    assert [type(m) for m in build_evaluator(dict(type="Evaluator", metrics=own)).metrics] == [Counting]
    assert [type(m) for m in build_evaluator([Counting(), Accuracy()]).metrics] == [Counting, Accuracy]
    assert [type(m) for m in build_evaluator(Evaluator(Counting())).metrics] == [Counting]


def test_tables_and_files_of_several_metrics(tmp_path):
    metrics = [Writing(), Counting(), Writing(tmp_path / "chosen"), Writing()]
    assert set_folders(metrics, tmp_path) == [tmp_path / "predictions", tmp_path / "predictions_2"]
    assert metrics[2].out_dir == tmp_path / "chosen"
    metrics[0].table = "a table"
    figures = {"toy/accuracy": 0.5, "own/count": 12, "own/word": "x"}
    assert tables(metrics, figures) == "a table\n\nown/count 12\nown/word x"
    assert tables([Counting()], {}) == "no metric"
    files = write_reports(metrics, tmp_path)
    assert files == {"report": str(tmp_path / "report.txt"), "toy/report": str(tmp_path / "report.txt")}


@pytest.mark.parametrize(
    ("figures", "shown"),
    [
        (None, "no metric"),
        ({}, "no metric"),
        (dict(count=3), "own/count 3.000"),
        ({"a/b/c": np.float32(0.5), "word": "x", "list": [1, 2]}, "own/a/b/c 0.500"),
        (dict(value=torch.tensor(0.25), nothing=None), "own/value 0.250"),
    ],
)
def test_a_custom_metric_trains_and_tests(tmp_path, capsys, figures, shown):
    evaluator = f"val_evaluator=dict(type='{OWN}')"
    runner = make_runner(tmp_path, "train_cfg.max_iters=2", evaluator, "default_hooks.checkpoint.save_best=None")
    for metric in (runner.val_evaluator.metrics[0], runner.test_evaluator.metrics[0]):
        metric.figures = figures
    runner.train()
    assert f"iter 2/2  evaluation: {shown}\n" in capsys.readouterr().out
    numbers = numbers_of({f"own/{name}": value for name, value in (figures or {}).items()})
    row = read_table(tmp_path / "curves.csv")[-1]
    assert {name: value for name, value in row.items() if "/" in name} == numbers
    torch.load(tmp_path / "iter_2.pth", weights_only=True)
    assert runner.test() == {f"own/{name}": value for name, value in (figures or {}).items()}


def test_a_metric_without_prefix_and_several_metrics(tmp_path, capsys):
    several = f"val_evaluator=[dict(type='{OWN}', figures=dict(count=3), prefix=None), dict(type='{WRITING}')]"
    runner = train(tmp_path, *FAST, several, "default_hooks.checkpoint.save_best=count")
    assert "iter 2/2  evaluation: count 3.000  toy/accuracy" in capsys.readouterr().out
    assert (tmp_path / "best.pth").is_file()
    figures = runner.test(tmp_path / "test")
    assert figures.keys() == {"count", "toy/accuracy"}
    assert (tmp_path / "test" / "predictions" / "seen.txt").read_text() == "13"
    assert tables(runner.test_evaluator.metrics, figures) == "table of 13\n\ncount 3"


class TestRehearsal:
    def test_it_computes_and_leaves_no_trace(self, tmp_path, monkeypatch):
        folder = tmp_path / "run"
        writing = f"val_evaluator=[dict(type='{WRITING}'), dict(type='{OWN}', figures=dict(count=1))]"
        runner = make_runner(folder, *FAST, writing)
        first, second = runner.val_evaluator.metrics
        first.out_dir = tmp_path / "written"
        seen = []
        original = runner.begin
        monkeypatch.setattr(
            runner,
            "begin",
            lambda: (
                seen.append(
                    (
                        first.results,
                        first.table,
                        second.results,
                        second.computed,
                        first.out_dir.exists(),
                        {k for k in runner.message_hub.log_scalars},
                        runner.message_hub.get_info("val/own/count"),
                    )
                ),
                original(),
            ),
        )
        runner.train()
        assert seen == [([], "", [], 0, False, set(), None)]
        assert first.table == "table of 13" and second.computed == 1 and first.out_dir.exists()

    def test_results_dumped_by_mmengine_wait_for_the_evaluation(self, tmp_path):
        dump = tmp_path / "results.pkl"
        runner = make_runner(tmp_path / "run", *FAST, "default_hooks.checkpoint.save_best=None")
        runner.val_evaluator.metrics.append(DumpResults(str(dump)))
        runner.val_evaluator.metrics[0].compute_metrics = lambda results: 1 / 0
        with pytest.raises(ZeroDivisionError):
            runner.train()
        assert not dump.exists()

    def test_a_fault_in_the_metric_shows_before_the_first_iteration(self, tmp_path):
        refusing = "val_evaluator.type=tests.training.toy_parts.Refusing"
        with pytest.raises(UserError, match="annotation 3 has no area"):
            train(tmp_path, *FAST, refusing)

    @pytest.mark.parametrize(
        ("save_best", "message"),
        [
            ("toy/AP", "no metric 'toy/AP'; there are toy/accuracy"),
            ("coco/AP", "'coco/AP' should be toy/..."),
            ("toy/accurac", "no metric"),
            ("toy/accuracy_2", "no metric"),
        ],
    )
    def test_a_metric_that_does_not_exist_is_found(self, tmp_path, save_best, message):
        with pytest.raises(UserError, match=message):
            train(tmp_path, *FAST, f"default_hooks.checkpoint.save_best={save_best}")
        assert not list(tmp_path.iterdir())

    def test_a_metric_of_a_class_may_be_missing_in_a_batch(self, tmp_path):
        train(tmp_path, *FAST, "default_hooks.checkpoint.save_best=toy/IoU/upper")


class TestFromPython:
    def test_val_and_repeated_tests(self, finished, tmp_path, capsys):
        runner = make_runner(tmp_path, training=False)
        runner._load_from = str(finished / "best.pth")
        assert runner.val() == runner.val() == runner.test() == runner.test() == {"toy/accuracy": 1.0}
        assert "evaluation: toy/accuracy 1.000" in capsys.readouterr().out
        assert not list(tmp_path.glob("*.pth"))

    def test_val_before_and_after_a_training_writes_no_checkpoint(self, tmp_path):
        runner = make_runner(tmp_path, *FAST, "default_hooks.checkpoint.save_best=None")
        runner.val()
        assert not list(tmp_path.glob("*.pth"))
        runner.train()
        before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pth")}
        averaged = torch.load(tmp_path / "iter_2.pth")["message_hub"]["log_scalars"]["val/toy/accuracy"][0][-1]
        assert runner.val()["toy/accuracy"] == averaged
        assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pth")} == before

    def test_a_test_after_a_training_takes_the_averaged_weights_too(self, tmp_path):
        runner = train(tmp_path, *FAST)
        averaged = runner.hooks[[type(h).__name__ for h in runner.hooks].index("EMAHook")].ema_model
        before = {name: tensor.clone() for name, tensor in averaged.module.state_dict().items()}
        runner.test()
        assert all(torch.equal(tensor, before[name]) for name, tensor in averaged.module.state_dict().items())

    def test_without_test_data_it_is_one_line(self, tmp_path):
        off = [f"{split}_{part}=None" for split in ("val", "test") for part in ("dataloader", "evaluator", "cfg")]
        with pytest.raises(UserError, match="has neither a test_dataloader nor a val_dataloader"):
            make_runner(tmp_path / "run", *off, "model.num_classes=2", training=False).test()
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("figures", ["5", "'text'", "[1]", "{1: 2}", "0"])
def test_a_metric_that_returns_no_dict_is_one_line_before_the_training(tmp_path, figures):
    own = (f"val_evaluator=dict(type='{OWN}', figures={figures})", "default_hooks.checkpoint.save_best=None")
    with pytest.raises(UserError, match="Counting.compute_metrics returned .*; it must return a dict of name"):
        train(tmp_path / "run", *FAST, *own)
    assert list(tmp_path.iterdir()) == []


def test_two_metrics_of_one_name_are_one_line_before_the_training(tmp_path):
    two = f"val_evaluator=[dict(type='{OWN}', figures=dict(a=1)), dict(type='{OWN}', figures=dict(a=2))]"
    with pytest.raises(UserError, match="val_evaluator: There are multiple .* own/a.* different prefixes"):
        train(tmp_path / "run", *FAST, two, "default_hooks.checkpoint.save_best=None")
    assert list(tmp_path.iterdir()) == []
