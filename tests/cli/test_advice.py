"""What messages, help texts and pages advise exists: commands, make targets, extras and options."""

import configparser
import re
from functools import cache
from pathlib import Path

import pytest

from densevision.cli.main import COMMANDS, command_parser

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "densevision").rglob("*.py"))
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (*SOURCES, *PAGES)}
_OUTPUT = {"classes", "browser"}  # docs/extending.md prints a line that begins so; a kind of JSON file


@cache
def options(command):
    return {name for action in command_parser(command)._actions for name in action.option_strings}


def known_commands():
    return {name for name in COMMANDS if (ROOT / f"densevision/cli/{name.replace('-', '_')}.py").exists()}


def advised(text):
    """Yield command and options of each ``densevision WORD ...`` in code: quoted, or a line of a block."""
    joined = re.sub(r"\\\n\s*", " ", text)
    blocks = "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", joined, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^(?:\S*/)?densevision ([a-z][^`\n|;#&]*)", blocks, re.MULTILINE)
    for words in lines + re.findall(r"""[`"](?:\S*/)?densevision ([a-z][^`"\n|;#&]*)""", joined):
        yield words.split()[0].strip(".,:;\"')"), re.findall(r"(?<![\w-])--[a-z][a-z-]*", words)


@pytest.mark.parametrize("name", TEXTS)
def test_commands_and_their_options_exist(name):
    for command, given in advised(TEXTS[name]):
        if command in _OUTPUT:
            continue
        assert command in known_commands(), (name, command)
        assert set(given) <= options(command), (name, command, set(given) - options(command))


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name, text in TEXTS.items():
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets, name


def test_extras_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"])
    for name, text in TEXTS.items():
        for listed in re.findall(r"""(?:densevision|\.)\[([a-z, ]+)\]["'` ;:)]""", text):
            assert set(re.split(r", *", listed)) <= extras, (name, listed)
