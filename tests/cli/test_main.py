import subprocess
import sys
from pathlib import Path

import pytest

import densevision
from densevision.cli.main import COMMANDS, main

ROOT = Path(densevision.__file__).parents[1]


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "no command 'trian'; did you mean train?"),
        (["xyz"], "no command 'xyz'; densevision --help lists the commands"),
    ],
)
def test_an_unknown_command_is_answered_with_a_near_name(words, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2 and capsys.readouterr().err.splitlines()[-1].endswith(message)


def test_no_command_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    printed, error = capsys.readouterr()
    assert exit_.value.code == 2 and not printed and all(name in error for name in COMMANDS)


def test_the_module_runs_as_the_command():
    def call(*words):
        return subprocess.run([sys.executable, "-m", "densevision", *words], capture_output=True, text=True)

    assert call("--version").stdout == f"densevision {densevision.__version__}\n"
    assert call("train", "--help").stdout.startswith("usage: densevision train ")
    failed = call("paper", "--json", "no/where.json")
    assert failed.returncode == 2 and failed.stderr.startswith("densevision: error: --json no/where.json: ")


def test_a_user_error_is_one_line_and_status_2(capsys):
    assert main(["train", "nowhere.py"]) == 2
    assert capsys.readouterr().err == (
        "densevision: error: no config file nowhere.py; `densevision configs` lists the shipped ones\n"
    )


@pytest.mark.parametrize("command", ["train", "summary"])
def test_a_config_of_nearly_that_name_is_suggested(command, tmp_path, capsys):
    (tmp_path / "ssdlite_small_bccd.py").touch()
    (tmp_path / "other.txt").touch()
    assert main([command, str(tmp_path / "ssdlite_small_bcdd.py")]) == 2
    assert (
        f"{tmp_path}/ssdlite_small_bcdd.py; did you mean ssdlite_small_bccd.py? `densevision configs`"
        in capsys.readouterr().err
    )
    assert main([command, str(tmp_path / "xyz.py")]) == 2
    assert "xyz.py; `densevision configs` lists the shipped ones" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = "import sys, densevision.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    others = "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-S", "-c", code + others], capture_output=True, text=True, cwd=ROOT)
    assert "usage: densevision" in done.stdout
    assert set(done.stderr.split()) <= {"densevision", "__main__", "__mp_main__"}


@pytest.mark.parametrize(
    "command, missing, extra",
    [
        (["train", "a.py"], "mmengine.dist", ""),
        (["export", "a.py", "b.pth", "--out", "m.tflite"], "ai_edge_litert", "[tflite]"),
    ],
)
def test_a_missing_package_is_one_line_and_status_2(capsys, monkeypatch, command, missing, extra):
    for name in [name for name in sys.modules if name.startswith("densevision.export.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error == f"densevision: error: this command needs {missing}; pip install densevision{extra}\n"


def test_a_closed_pipe_ends_the_command_without_a_message():
    words = [sys.executable, "-m", "densevision", "configs"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
