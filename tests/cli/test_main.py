import subprocess
import sys
import time

import pytest

import densevision
from densevision.cli.main import COMMANDS, main


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"densevision {densevision.__version__}\n"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    output = capsys.readouterr().out
    assert all(name in output for name in COMMANDS)


@pytest.mark.parametrize("words", [[], ["trian"], ["train"], ["train", "a.py", "--work"]])
def test_wrong_usage_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert "densevision" in capsys.readouterr().err


def test_a_user_error_is_one_line_and_status_2(capsys):
    assert main(["train", "nowhere.py"]) == 2
    assert (
        capsys.readouterr().err
        == "densevision: error: no config file nowhere.py; ready-made ones are in configs/\n"
    )


def test_help_imports_nothing_heavy():
    code = "import sys, densevision.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    heavy = "sys.exit(bool({'torch', 'mmengine', 'cv2', 'numpy', 'albumentations'} & set(sys.modules)))"
    started = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", code + heavy], stdout=subprocess.DEVNULL).returncode == 0
    assert time.perf_counter() - started < 5  # a broken machine; the import itself takes 0.1 s


@pytest.mark.parametrize("command, missing, extra", [
    (["train", "a.py"], "mmengine.dist", ""),
    (["export", "a.py", "b.pth", "--out", "m.tflite"], "ai_edge_litert", "[tflite]"),
])
def test_a_missing_package_is_one_line_and_status_2(capsys, monkeypatch, command, missing, extra):
    for name in [name for name in sys.modules if name.startswith("densevision.deploy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error == f"densevision: error: this command needs {missing}; pip install densevision{extra}\n"
