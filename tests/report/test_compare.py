"""``densevision compare``."""

import json

import pytest

from densevision.cli.main import main
from densevision.errors import UserError
from densevision.report.compare import read_report
from tests.report.test_report import Reader


@pytest.fixture
def runs(made, tmp_path):
    """Two work dirs; the second is better, larger, and has another number of iterations."""
    content, _ = made
    other = json.loads(json.dumps(content))
    other["metrics"]["coco/AP"] += 0.1
    other["settings"]["train_cfg.max_iters"], other["settings"]["work_dir"] = "16", "elsewhere"
    other["model"]["parameters"] = 2240
    for name, one in (("a", content), ("b", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(one))
    return tmp_path / "a", tmp_path / "b"


def run(*words):
    return main(["compare", *map(str, words)])


def test_two_runs_side_by_side(runs, tmp_path, capsys):
    page, whole = tmp_path / "c.html", tmp_path / "c.json"
    assert run(*runs, "--html", page, "--json", whole) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Figures", "a", "b"] in lines
    first, second = (float(value) for value in next(line for line in lines if line[:1] == ["coco/AP"])[1:])
    assert second - first == pytest.approx(10, abs=0.11)
    assert ["parameters", "112", "2,240"] in lines and ["multiply-adds", "27.6", "k", "27.6", "k"] in lines
    assert ["train_cfg.max_iters", "8", "16"] in lines and ["score", "threshold", "0.599", "0.599"] in lines
    assert not any(line[:1] == ["work_dir"] for line in lines)
    assert json.loads(whole.read_text())["b"]["model"]["parameters"] == 2240
    reader = Reader(page.read_text())
    assert not reader.wrong and page.read_text().count("<svg") == 3 and "b: coco/AP" in page.read_text()
    assert run(*runs, "--html", page) == 0  # it may be written again


def test_what_can_not_be_compared_is_one_line(runs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.json").write_text('{"format": 1}')
    (tmp_path / "old.json").write_text('{"format": 0}')
    (tmp_path / "notes.html").write_text("mine")
    for words, message in (
        ((runs[0],), "one run has nothing to be compared with"),
        ((runs[0], runs[0]), "the same run is given twice"),
        ((runs[0], tmp_path / "empty"), "empty has no report.json; densevision train and test write one"),
        ((runs[0], tmp_path / "emptyy"), "emptyy: no such run; did you mean empty"),
        ((runs[0], tmp_path / "bad.json"), "bad.json is no report that this version of densevision wrote"),
        ((runs[0], tmp_path / "old.json"), "old.json is no report"),
        ((*runs, "--html", tmp_path / "notes.html"), "this file exists and is not a page of densevision"),
        ((*runs, "--json", runs[0] / "report.json"), "the command line names this file twice"),
    ):
        assert run(*words) == 2, words
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1, error


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("metric", {"is_share": True}),
        ("metric.name", ["coco/AP"]),
        ("metrics.coco/AP", "0.5"),
        ("metrics.coco/AP", 10**400),
        ("iterations.all", "8"),
        ("curves", [5]),
        ("curves", [{"loss": 1.0}]),
        ("curves", [{"iteration": 1, "loss": [1.0]}]),
        ("model.name", None),
        ("model.input_size", 320),
        ("model.latency_by", 5),
        ("detection", "none"),
        ("detection.classes", [{}]),
        ("detection.mean_f1", [1]),
        ("settings.train_cfg.max_iters", [16]),
    ],
)
def test_a_report_with_another_type_in_any_place_is_refused(runs, place, value):
    path = runs[1] / "report.json"
    content = json.loads(path.read_text())
    part, _, key = place.partition(".")
    (content if not key else content[part])[key or part] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"report\.json is no report that this version"):
        read_report(runs[1])
