"""Every printed result comes from docs/results.json."""

import copy
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in ROOT.glob("configs/*/*.py") if path.parent.name != "_base_")
FIGURE = re.compile(r"\b(AP50|AP|mIoU|mIOU|top-1) (\d+\.\d+)")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("update_results", ROOT / "tools/update_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_headline_has_three_digits(tool):
    run = dict(metrics=dict(AP50=0.87, AP=0.5719))
    assert (tool.headline(run), tool.figures(run)) == ("AP50 0.870", "AP50 0.870, AP 0.572")


def test_readme_results_and_headers_are_those_of_the_json(tool):
    stale = [str(path.relative_to(ROOT)) for path, text in tool.updated(tool.read_runs()) if path.read_text() != text]
    assert not stale, f"{stale}: run python tools/update_results.py"


def test_a_new_figure_changes_every_place(tool):
    for index, run in enumerate(tool.read_runs()):
        runs = copy.deepcopy(tool.read_runs())
        runs[index]["metrics"][next(iter(run["metrics"]))] += 0.002
        changed = {path for path, text in tool.updated(runs) if path.read_text() != text}
        classifies = run["config"].startswith("configs/classification/")
        pages = ["README.md", "docs/results.md", *(["docs/classification.md"] if classifies else [])]
        assert changed == {ROOT / page for page in (run["config"], *pages)}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_header_has_our_figure_or_says_that_there_is_none(tool, path):
    header = path.read_text().split('"""')[1]
    trained = {run["config"] for run in tool.read_runs()}
    (ours,) = re.findall(r"Ours: (.*?)\.(?=\s)", header, re.DOTALL)
    if path.relative_to(ROOT).as_posix() not in trained:
        assert re.match("not trained yet|not measured|neither its weights evaluated nor trained yet", ours)
        assert not FIGURE.search(ours)


def test_readme_quotes_no_other_figure(tool):
    known = {tool.headline(run) for run in tool.read_runs()}
    assert {" ".join(found) for found in FIGURE.findall((ROOT / "README.md").read_text())} == known


def test_every_run_says_how_it_was_made(tool):
    for run in tool.read_runs():
        assert (ROOT / run["config"]).is_file() and run["metrics"]
        assert all(0 < value < 1 for value in [*run["metrics"].values(), *run.get("by_iteration", {}).values()])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", run["date"]) and re.fullmatch(r"[0-9a-f]{7,40}", run["commit"])
        assert all(run[key] for key in ("data", "model", "command", "wall_time", "machine"))
        best = max(run.get("by_iteration", {"": 0}).values())
        assert best in (0, next(iter(run["metrics"].values())))  # best.pth is the best evaluation's
