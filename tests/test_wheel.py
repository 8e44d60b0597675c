"""The wheel, installed outside the checkout, holds all that its commands need."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/*/*.py")}


def call(*words, cwd, status=0):
    """Run a command that sees nothing of the checkout; returns what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DENSEVISION_DATA")}
    ran = subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=cwd, env=environment)
    assert ran.returncode == status, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a build reads, so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("source") / "densevision"
    for name in ("densevision", "configs", "docs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source):
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-deps")
    call(*pip, "--no-build-isolation", "-w", source.parent / "wheel", ".", cwd=source)
    (path,) = (source.parent / "wheel").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel):
    """An empty environment with the wheel; its dependencies are this environment's, its editable install is not."""
    folder = wheel.parents[1] / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "-q")
    call(*pip, "--no-deps", "--no-index", "--no-compile", wheel, cwd=wheel.parent)
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=wheel.parent).strip()
    # A folder named in a .pth file is searched, the .pth files in it (the editable install's) are not read.
    Path(site, "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python.parent


def test_the_wheel_is_pure_python_and_whole(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("densevision/**/*.py")}
    data = {"densevision/py.typed", "densevision/benchmark/phone/measure.sh"}
    data.add("densevision/inspection/browse.html.jinja")
    data |= {f"densevision/report/{name}" for name in ("report.html.jinja", "compare.html.jinja", "style.css")}
    # Also the browser runtime, where make web-runtime has put it.
    web = ("web/page/*", "web/notices/*", "web/runtime/*")
    data |= {path.relative_to(ROOT).as_posix() for place in web for path in ROOT.glob(f"densevision/{place}")}
    configs = {f"densevision/{config}" for config in CONFIGS}
    assert {name for name in names if ".dist-info/" not in name} == modules | data | configs
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_a_build_needs(source):
    build = "import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])"
    call(sys.executable, "-c", build, source.parent / "sdist", cwd=source)
    (path,) = (source.parent / "sdist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt"}
    assert names >= files | CONFIGS | {"requirements-runtime.txt", "densevision/py.typed", "docs/export.md", "Makefile"}
    assert not [name for name in names if name.endswith(".pyc")]


def test_configs_are_found_by_name_outside_the_checkout(installed, tmp_path):
    where = call(installed / "python", "-c", "import densevision; print(densevision.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    listed = call(installed / "densevision", "configs", cwd=tmp_path)
    assert {Path(config).stem for config in CONFIGS if "_base_" not in config} <= set(listed.split())
    assert listed.count("\n      ") == len(CONFIGS) - sum("_base_" in config for config in CONFIGS)


OWN = """
from mmengine.config import read_base
with read_base():
    from densevision.configs.segmentation.lraspp_v3_small_scenes import *
train_cfg.update(max_iters=2, val_interval=2)
train_dataloader.update(batch_size=2)
"""
SHORT_RUN = """
from pathlib import Path
from densevision.cli.quickstart import make
short = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]
make(Path("out").absolute(), 0, dict(train=4, val=3, video_seconds=0.2), short)
"""


@pytest.mark.slow
def test_a_config_is_loaded_by_name_and_from_any_folder(installed, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    load = "import sys; from densevision.config.load import load_config as load; print(load(sys.argv[1]).filename)"
    shipped = call(installed / "python", "-c", load, "lraspp_v3_small_camvid", cwd=tmp_path).strip()
    assert Path(shipped).is_relative_to(installed.parent)
    assert call(installed / "python", "-c", load, "mine.py", cwd=tmp_path).strip() == "mine.py"


RENDER = "from densevision.scenes import write_dataset; write_dataset('scenes', train=4, val=3, video_seconds=0.2)"
COMMANDS = "import json, sys; from densevision.cli.main import main; print(*map(main, json.loads(sys.argv[1])))"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine.py", "ssdlite_v3_small_reduced_scenes"])
def test_training_to_demo_works_outside_the_checkout(installed, tmp_path, name):
    call(installed / "python", "-c", RENDER, cwd=tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    (image, *_) = tmp_path.glob("scenes/leftImg8bit/val/*/*.png")
    short = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]
    commands = [
        ["train", name, "--work-dir", "work", "--cfg-options", *short],
        ["test", "work/best.pth"],
        ["demo", name, "work/best.pth", "--input", str(image), "--out", "model.jpg"],
    ]
    if sys.version_info >= (3, 11):  # litert-torch needs it
        commands += [
            ["export", "work/best.pth", "--out", "model.tflite"],
            ["demo", "model.tflite", "--input", str(image), "--out", "file.jpg"],
        ]
    printed = call(installed / "python", "-c", COMMANDS, json.dumps(commands), cwd=tmp_path)
    assert " ".join("0" * len(commands)) in printed.splitlines()
    assert (tmp_path / "model.jpg").is_file()


@pytest.mark.slow
def test_the_quickstart_works_outside_the_checkout(installed, tmp_path):
    call(installed / "python", "-c", SHORT_RUN, cwd=tmp_path)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert all(Path(path).exists() for path in summary["files"].values())
