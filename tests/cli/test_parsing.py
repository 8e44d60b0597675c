"""The command line of all commands: order of words, near names, examples, help, completion."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from densevision.cli.completion import SCRIPTS, candidates
from densevision.cli.examples import EXAMPLES
from densevision.cli.main import COMMANDS, GROUPS, command_parser, main


@pytest.mark.parametrize(
    "words, files, options",
    [
        ("export --float-parts se stem a.py b.pth --out m.tflite", ["a.py", "b.pth"], ["se", "stem"]),
        ("export a.py --float-parts se b.pth --out m.tflite --float-parts stem", ["a.py", "b.pth"], ["se", "stem"]),
        ("export --float-parts se --out m.tflite a.py b.pth", ["a.py", "b.pth"], ["se"]),
        ("export a.py b.pth --out m.tflite --float-parts=se", ["a.py", "b.pth"], ["se"]),
    ],
)
def test_an_option_with_several_values_leaves_the_files(words, files, options):
    parsed = command_parser("export").parse_command(words.split()[1:])
    assert [str(path) for path in parsed.files] == files and parsed.float_parts == options


@pytest.mark.parametrize(
    "words",
    [
        "--cfg-options a=1 b=c/d.pth mine.py",
        "--cfg-options a=1 b=c/d.pth ssdlite_v3_small_reduced_bccd",
        "mine.py --cfg-options a=1 --cfg-options b=c/d.pth",
    ],
)
def test_config_values_leave_the_config(words):
    parsed = command_parser("train").parse_command(words.split())
    assert parsed.cfg_options == ["a=1", "b=c/d.pth"] and parsed.config.stem in (
        "mine",
        "ssdlite_v3_small_reduced_bccd",
    )


@pytest.mark.parametrize(
    "words, message",
    [
        ("export a.pth --out m.tflite --maxdrop 1", "no option --maxdrop; did you mean --max-drop?"),
        ("export a.pth --out m.tflite --float-parts see", "invalid choice: 'see' (choose from"),
        ("train a.py b.py", "can't use b.py; densevision train --help shows what it takes"),
        ("train a.py --amp fp8", "train: error: --amp fp8: choose from bf16, fp16"),
        ("train --amp fp8 a.py", "train: error: --amp fp8: choose from bf16, fp16"),
        ("completion fsh", "invalid choice: 'fsh'"),
        ("--quiet train", "--quiet comes before the command; densevision help lists the commands"),
    ],
)
def test_a_mistake_is_named(words, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(words.split())
    assert exit_.value.code == 2 and message in capsys.readouterr().err.splitlines()[-1]


def test_help_of_an_unknown_command(capsys):
    assert main(["help", "exprot"]) == 2
    assert "no command 'exprot'; did you mean export?" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_its_examples_parse(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["help", name]) == 0
    text, _, examples = capsys.readouterr().out.partition("\nexamples:\n")
    assert max(map(len, text.splitlines())) <= 80
    assert examples.splitlines() == [f"  {example}" for example in EXAMPLES[name]]
    for example in EXAMPLES[name]:
        command = re.search(r"densevision ([^>)#]*)", example)
        assert command, example
        command_, *words = shlex.split(command[1])
        assert command_ == name and command_parser(name).parse_command(words)


def test_every_command_is_in_a_group_once():
    grouped = [name for names in GROUPS.values() for name in names if name in COMMANDS]
    assert sorted(grouped) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_mean_the_same_everywhere(name):
    for action in command_parser(name)._actions:
        if {"--json", "--csv", "--html"} & set(action.option_strings):
            assert action.metavar == "OUT"
        if "--cfg-options" in action.option_strings:
            assert action.nargs == "+" and action.metavar == "KEY=VALUE"
        if not action.option_strings and not action.choices:
            assert (action.metavar or action.dest).isupper() or action.metavar.startswith(("MODEL", "LIBRARY"))


@pytest.mark.parametrize(
    "words, found",
    [
        (["conv"], ["convert-data", "convert"]),
        (["help", "tes"], ["test"]),
        (["export", "--max"], ["--max-drop"]),
        (["export", "a.pth", "--quantize", ""], ["none", "float16", "int8"]),
        (["export", "a.pth", "--out", ""], []),
        (["train", "ssdlite_v3_small_co"], ["ssdlite_v3_small_coco", "ssdlite_v3_small_coco128"]),
        (["nothing", ""], []),
    ],
)
def test_completion(words, found):
    assert set(candidates(words)) == set(found)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_completion_script_is_printed(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "densevision __complete" in capsys.readouterr().out


def test_bash_completes(tmp_path):
    (tmp_path / "densevision").write_text(f'#!/bin/sh\nexec {sys.executable} -m densevision "$@"\n')
    (tmp_path / "densevision").chmod(0o755)
    script = SCRIPTS["bash"] + 'COMP_WORDS=(densevision expo); COMP_CWORD=1; _densevision; echo "${COMPREPLY[@]}"\n'
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout == "export\n", done.stderr
