"""Every package that is imported is declared in setup.cfg, and every module is in the wheel."""

import ast
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "densevision").rglob("*.py"), *(ROOT / "configs").rglob("*.py")]
PROJECTS = {"PIL": "pillow", "cv2": "opencv-python", "yaml": "pyyaml"}  # module -> project, where the names differ
OPTIONAL = {  # module -> extra
    **dict.fromkeys(("ai_edge_litert", "ai_edge_quantizer", "flatbuffers", "litert_torch"), "tflite"),
    **dict.fromkeys(("safetensors", "timm"), "weights"),
    **dict.fromkeys(("supervision", "trackers"), "supervision"),
    "qai_hub": "hub",
    "faster_coco_eval": "coco",
}


@pytest.fixture(scope="module")
def metadata():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def projects(text):
    """Return the names of the projects in a list of requirements, in lower case and with dashes."""
    return {re.split(r"[<>=~!;\[ ]", line)[0].lower().replace("_", "-") for line in lines(text)}


def imported(path):
    """Yield the first word of every absolute import of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_every_import_is_declared(metadata):
    found = {name for path in SOURCES for name in imported(path)} - sys.stdlib_module_names - {"densevision"}
    declared = projects(metadata["options"]["install_requires"])
    extras = metadata["options.extras_require"]
    for name in found:
        project = PROJECTS.get(name, name.lower().replace("_", "-"))
        home = projects(extras[OPTIONAL[name]]) if name in OPTIONAL else declared
        assert project in home, f"{name} is imported; declare {project} in setup.cfg"


def test_nothing_unused_is_declared(metadata):
    found = {name for path in SOURCES for name in imported(path)}
    projects_used = {PROJECTS.get(name, name.lower().replace("_", "-")) for name in found}
    assert projects(metadata["options"]["install_requires"]) <= projects_used
    for extra in {*OPTIONAL.values()} - {"supervision"}:
        assert projects(metadata["options.extras_require"][extra]) <= projects_used


def test_every_folder_with_modules_is_a_package(metadata):
    folders = {path.parent for path in SOURCES}
    named = {".".join(folder.relative_to(ROOT).parts) for folder in folders} | {"configs"}
    expected = {f"densevision.{name}" if name.startswith("configs") else name for name in named}
    assert set(lines(metadata["options"]["packages"])) == expected


def test_the_version_is_stated_once():
    pattern = re.compile(r"^\s*_*version_*\s*=\s*[\"']?\d", re.MULTILINE)
    files = (*ROOT.glob("*.cfg"), *ROOT.glob("*.toml"), *SOURCES)
    assert [path for path in files if pattern.search(path.read_text())] == [ROOT / "densevision/__init__.py"]


def test_the_tools_are_pinned(metadata):
    """What ``make setup`` installs has an exact version, so that a new release breaks no build."""
    pinned = projects((ROOT / "constraints.txt").read_text())
    extras = metadata["options.extras_require"]
    wanted = [metadata["options"]["install_requires"], extras["tflite"], extras["docs"], "mypy", "ruff", "timm"]
    assert set().union(*map(projects, wanted)) <= pinned
