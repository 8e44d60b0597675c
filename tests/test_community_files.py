"""CITATION.cff, the GitHub files and the pre-commit config are valid and name what exists."""

from pathlib import Path

import pytest
import yaml

import densevision

ROOT = Path(__file__).parents[1]
FORMS = sorted(path for path in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")


def read(name):
    return yaml.safe_load((ROOT / name).read_text())


def test_the_citation_is_of_this_version_and_names_the_paper():
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all(citation[key] for key in ("title", "message", "authors", "license"))
    assert str(citation["version"]) == densevision.__version__
    (paper,) = citation["references"]
    assert paper["title"] == "Searching for MobileNetV3" and len(paper["authors"]) == 12
    assert (paper["type"], paper["year"], paper["doi"]) == ("conference-paper", 2019, "10.1109/ICCV.2019.00140")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_what_github_needs(path):
    form = read(path.relative_to(ROOT))
    assert form["name"] and form["description"] and form["body"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) and all(field["attributes"]["label"] for field in form["body"])


def test_there_is_a_form_for_bugs_features_and_questions():
    assert {path.stem for path in FORMS} == {"bug", "feature", "question"}


def test_ci_runs_everything_on_linux_and_the_light_tests_elsewhere():
    jobs = read(".github/workflows/ci.yml")["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert jobs["linux"]["runs-on"] == "ubuntu-latest" and commands["linux"] == [".ci/run"]
    assert jobs["light"]["strategy"]["matrix"]["os"] == ["macos-latest", "windows-latest"]
    assert commands["light"][-1] == "python -m pytest $(cat tests/light.txt)"
    assert (ROOT / ".ci/run").is_file() and (ROOT / "requirements-runtime.txt").is_file()


def test_pre_commit_runs_the_linters_of_make_lint():
    hooks = {hook["id"]: hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]}
    assert {"ruff-check", "ruff-format", "mypy"} <= set(hooks)
    assert all(hooks[name]["language"] == "system" for name in ("ruff-check", "ruff-format", "mypy"))
