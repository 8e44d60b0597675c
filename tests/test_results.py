"""Every printed result comes from docs/results.json."""

import copy
import importlib.util
import re
import statistics
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
    stale = [
        str(path.relative_to(ROOT)) for path, text in tool.updated(tool.read_results()) if path.read_text() != text
    ]
    assert not stale, f"{stale}: run python tools/update_results.py"


def test_a_new_figure_changes_every_place(tool):
    for index, run in enumerate(tool.read_results()["trainings"]):
        results = copy.deepcopy(tool.read_results())
        results["trainings"][index]["metrics"][next(iter(run["metrics"]))] += 0.002
        changed = {path for path, text in tool.updated(results) if path.read_text() != text}
        classifies = run["config"].startswith("configs/classification/")
        pages = ["README.md", "docs/results.md", *(["docs/classification.md"] if classifies else [])]
        assert changed == {ROOT / page for page in (run["config"], *pages)}


def test_a_figure_that_stands_in_two_lists_is_the_same(tool):
    results = tool.read_results()
    trained = {Path(run["config"]).stem: next(iter(run["metrics"].values())) for run in results["trainings"]}
    of_seed_0 = [(row["config"].strip("`"), row["with"][0]) for row in results["tricks"] if row["with"]]
    of_seed_0 += [
        (row["config"], row["value"]) for row in results["peers"] if (row["kind"], row["seed"]) == ("ours", 0)
    ]
    same = {name: value for name, value in of_seed_0 if name in trained}
    assert len(same) >= 5
    assert {name: round(value, 3) for name, value in same.items()} == {name: trained[name] for name in same}


def test_peers_stand_next_to_ours_with_a_figure_per_seed(tool):
    ours = dict(config="c", kind="ours", epochs=187, seed=0, model="c", metric="coco/AP", value=0.6, seconds=600)
    peer = ours | dict(kind="torchvision", model="ssdlite320", value=0.5, seconds=1200)
    assert tool.peers_lines([peer, peer | dict(seed=1, value=0.52, seconds=None), ours])[2:] == [
        "| `c` | ours | 187 | 60 | 10 |",
        "| `c` | ssdlite320 | 187 | 50, 52 (51.00) | 20, - |",
    ]


def test_gains_are_those_of_the_means(tool):
    none = dict(task="detection", what="a", config="b", iterations=None, without=[], default="no", **{"with": []})
    both = none | dict(iterations=2400, without=[0.565], **{"with": [0.58728, 0.59116]})
    assert tool.tricks_lines([none, both, both | dict(task="segmentation")], "detection")[2:] == [
        "| a | b |  |  | not measured |  | no |",
        "| a | b | 2,400 | 56.5 | 58.73, 59.12 (58.92) | +2.42 | no |",
    ]
    assert tool.tricks_lines([both | dict(test=[0.4])], "detection")[2].endswith("| +2.42 | 40 | no |")
    row = dict(config="c", seed=1, pytorch=0.6608, int8=0.6385, search=None)
    assert tool.int8_lines([row])[2] == "| `c` | 1 | 66.08 | 63.85 | not measured |"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_header_has_our_figure_or_says_that_there_is_none(tool, path):
    header = path.read_text().split('"""')[1]
    trained = {run["config"] for run in tool.read_results()["trainings"]}
    (ours,) = re.findall(r"Ours: (.*?)\.(?=\s)", header, re.DOTALL)
    if path.relative_to(ROOT).as_posix() not in trained:
        assert re.match("not trained yet|not measured|neither its weights evaluated nor trained yet", ours)
        assert not FIGURE.search(ours)


def test_readme_quotes_no_other_figure(tool):
    known = {tool.headline(run) for run in tool.read_results()["trainings"]}
    assert {" ".join(found) for found in FIGURE.findall((ROOT / "README.md").read_text())} == known


@pytest.mark.parametrize(
    ("config", "claim"),
    [
        ("ssdlite_v3_small_reduced_bccd", "our V3-Small is {:.0f} points of AP above torchvision's SSDLite"),
        ("lraspp_v3_small_camvid", "on CamVid's {:.0f} points of mIoU above its LR-ASPP"),
    ],
)
def test_readme_states_the_gain_over_torchvision(tool, config, claim):
    rows = [row for row in tool.read_results()["peers"] if row["config"] == config]
    of = {kind: [row["value"] for row in rows if row["kind"] == kind] for kind in ("ours", "torchvision")}
    assert [len(values) for values in of.values()] == [2, 2]
    gain = 100 * (statistics.mean(of["ours"]) - statistics.mean(of["torchvision"]))
    assert claim.format(gain) in " ".join((ROOT / "README.md").read_text().split())


def test_every_run_says_how_it_was_made(tool):
    for run in tool.read_results()["trainings"]:
        assert (ROOT / run["config"]).is_file() and run["metrics"]
        assert all(0 < value < 1 for value in [*run["metrics"].values(), *run.get("by_iteration", {}).values()])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", run["date"]) and re.fullmatch(r"[0-9a-f]{7,40}", run["commit"])
        assert all(run[key] for key in ("data", "model", "command", "wall_time", "machine"))
        best = max(run.get("by_iteration", {"": 0}).values())
        assert best in (0, next(iter(run["metrics"].values())))  # best.pth is the best evaluation's
